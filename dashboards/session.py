"""The HTTP session below grafana-api: no redirects, no lost answers, errors with their status.

grafana-api turns an answer into JSON whatever it is; it would follow a redirect and would fail on a 204. What
is not a JSON answer of Grafana is therefore raised from here, before it gets there.
"""

from typing import Any, Final

import requests

from dashboards.answers import RefusalError

__all__ = ["NoContentError", "NotJsonError", "Session"]

_USER_AGENT: Final = "narrawatch"


class NoContentError(Exception):
    """Done, and there is nothing to say about it: 204, or an empty body."""


class NotJsonError(Exception):
    """200 with something that is not JSON: the page of a proxy, or another server."""


class Session(requests.Session):
    """Raises RefusalError, NoContentError, NotJsonError for answers that grafana-api cannot deal with."""

    def __init__(self) -> None:
        super().__init__()
        self.headers["User-Agent"] = _USER_AGENT
        self.headers["Accept"] = "application/json"

    def request(self, *args: Any, **kwargs: Any) -> requests.Response:
        """As requests has it, but a redirect is an answer: the token is for one address."""
        kwargs["allow_redirects"] = False
        response = super().request(*args, **kwargs)
        if response.status_code >= 300:
            raise RefusalError(
                response.status_code,
                _body(response),
                location=response.headers.get("Location", ""),
                retry_after_seconds=_seconds(response.headers.get("Retry-After", "")),
            )
        if response.status_code == 204 or not response.content:
            raise NoContentError
        try:
            response.json()
        except ValueError:
            raise NotJsonError from None
        return response


def _body(response: requests.Response) -> Any:
    try:
        return response.json()
    except ValueError:
        return response.text


def _seconds(header: str) -> float | None:
    """A date is not worth a parser: then the usual pause holds."""
    return float(header) if header.isdecimal() and len(header) < 7 else None
