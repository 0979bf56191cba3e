"""What is put before every text, as the model was trained to see it."""

import re

__all__ = ["E5_PREFIX", "default_prefix"]

E5_PREFIX = "query: "  # e5 was trained with it on both sides of a comparison of equals

_E5_NAME = re.compile(r"(^|[-_/\\])e5([-_.]|$)", re.IGNORECASE)


def default_prefix(own: str | None, name: str) -> str:
    """own: the model's default prompt, if it has one. The e5 family works badly without its prefix."""
    if own is not None:
        return own
    return E5_PREFIX if _E5_NAME.search(name) else ""
