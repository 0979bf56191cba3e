"""What an answer of Grafana means: an error with a text that says what to do about it."""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from dashboards.errors import ConflictError, GrafanaError, NotFoundError, UnansweredError

__all__ = ["RefusalError", "explain"]

_SHOWN_CHARACTERS: Final = 200

# `status` of a 412, as Grafana documents it.
_PRECONDITIONS: Final[Mapping[str, str]] = {
    "version-mismatch": "it was changed meanwhile: run the command again",
    "name-exists": "its name or uid is taken in that folder: rename or move the other one",
    "plugin-dashboard": "it belongs to a plugin",
}


class RefusalError(Exception):
    """An answer other than 2xx. body: its JSON, or its text; retry_after_seconds: None for none."""

    def __init__(
        self, status: int, body: Any, *, location: str = "", retry_after_seconds: float | None = None
    ) -> None:
        super().__init__(f"status {status}")
        self.status = status
        self.body = body
        self.location = location
        self.retry_after_seconds = retry_after_seconds


class _Context(NamedTuple):
    url: str
    what: str
    said: str


def explain(refusal: RefusalError, url: str, what: str) -> GrafanaError:
    """The error for the user. what: what was tried, such as "create the folder Narratives"."""
    context = _Context(url, what, _said(refusal.body))
    if refusal.status in (409, 412):
        return ConflictError(_conflict(refusal, context))
    if refusal.status == 404:
        return NotFoundError(f"cannot {what}: {url} has no such thing{context.said}; is grafana_url right?")
    if refusal.status >= 500:
        return UnansweredError(f"cannot {what}: Grafana failed with {refusal.status}{context.said}")
    return GrafanaError(_refused(refusal, context))


def _refused(refusal: RefusalError, context: _Context) -> str:
    url, what, said = context
    match refusal.status:
        case 401:
            return f"{url} does not accept the token{said}: set grafana_token to one that is valid"
        case 403:
            return (
                f"the token may not {what}{said}: its service account needs the role Editor, and Admin"
                " for data sources"
            )
        case 429:
            return f"cannot {what}: Grafana asks to slow down{said}; try again later"
        case status if 300 <= status < 400:
            return (
                f"{url} sends on to {refusal.location or 'another address'}, and the token goes nowhere but"
                " there: set grafana_url to the address of Grafana itself"
            )
        case status:
            return f"cannot {what}: Grafana refuses it with {status}{said}"


def _conflict(refusal: RefusalError, context: _Context) -> str:
    status = refusal.body.get("status", "") if isinstance(refusal.body, dict) else ""
    reason = _PRECONDITIONS.get(str(status))
    return f"cannot {context.what}: {reason or 'Grafana holds something else there'}{context.said}"


def _said(body: Any) -> str:
    """What Grafana said, in one line and in brackets; "" if nothing that a person can read."""
    text = body.get("message", "") if isinstance(body, dict) else body if isinstance(body, str) else ""
    if not isinstance(text, str) or text.lstrip().startswith("<"):  # the page of a proxy
        return ""
    line = " ".join("".join(one if one.isprintable() else " " for one in text).split())
    return f" ({line[:_SHOWN_CHARACTERS]})" if line else ""
