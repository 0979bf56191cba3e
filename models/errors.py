"""What the models raise when the user has to do something about it.

Each text is complete in itself: the command line prints it as it stands, without a traceback.
"""

__all__ = ["ModelError", "NarrawatchError"]


class NarrawatchError(Exception):
    """An error the user can act on: its text is one clear line."""


class ModelError(NarrawatchError):
    """A model cannot be found, built, read or trusted."""
