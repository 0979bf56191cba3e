"""What can go wrong between here and Grafana. Each text is complete: a command prints it as it stands.

Above all a writer must know whether it was heard: `UnansweredError` says that nobody can tell, so look before
you write again; `ConflictError` that Grafana holds something else than was expected; all others that nothing
was changed.
"""

__all__ = ["ConflictError", "GrafanaError", "NotFoundError", "UnansweredError"]


class GrafanaError(Exception):
    """Grafana cannot be reached or refuses, and its text says what to do."""


class NotFoundError(GrafanaError):
    """404: there is no such thing, or not for this token."""


class ConflictError(GrafanaError):
    """409 or 412: it was changed meanwhile, its name is taken, or it belongs to somebody else."""


class UnansweredError(GrafanaError):
    """The request may have been carried out or not: the answer was lost, or an error of the server."""
