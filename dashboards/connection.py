"""A connection to Grafana's HTTP API through grafana-api: addresses, retries, errors in plain words.

Reading is tried again after anything that may pass. Writing is tried again only where it is certain that
nothing was written: no connection, or a server that asks to wait. Else `UnansweredError` tells the caller to
look before it writes again.
"""

import re
import time
from collections.abc import Callable
from typing import Any, Final, NamedTuple, TypeVar
from urllib.parse import urlsplit

import requests
import tenacity
import urllib3
from grafana_api.grafana_face import GrafanaFace

from dashboards.answers import RefusalError, explain
from dashboards.errors import GrafanaError, NotFoundError, UnansweredError
from dashboards.session import NoContentError, NotJsonError, Session

__all__ = ["Address", "Grafana", "is_open_wire"]

_ATTEMPTS: Final = 4
_PAUSE_SECONDS: Final = 0.5  # doubled each time
_MAX_PAUSE_SECONDS: Final = 30.0
_WAIT: Final = (429, 503)  # nothing was done: ask later
_PASSING: Final = (*_WAIT, 500, 502, 504)

_Answer = TypeVar("_Answer")


class Address(NamedTuple):
    """Where Grafana is, and who asks. ca_file: authorities to trust, or none: the system's."""

    url: str
    token: str
    timeout_seconds: float = 10.0
    ca_file: str | None = None


def is_open_wire(url: str) -> bool:
    """Whether a token would go unencrypted to another machine."""
    parts = urlsplit(url)
    return parts.scheme == "http" and parts.hostname not in ("127.0.0.1", "localhost", "::1")


class Grafana:
    """Requests to one Grafana. Raises GrafanaError and its kinds. sleep: how to wait between attempts."""

    def __init__(self, address: Address, *, sleep: Callable[[float], None] = time.sleep) -> None:
        self.url = address.url.rstrip("/")
        self.face = _face(address)
        self._timeout_seconds = address.timeout_seconds
        self._sleep = sleep

    def find(self, path: str, what: str, *fields: str) -> dict[str, Any] | None:
        """The object at a path below /api, or None where there is none. fields: those that it must have."""
        found: dict[str, Any] | None = self._found(path, what)
        if found is not None and not _is_object(found, fields):
            raise self._unlike_grafana()
        return found

    def find_all(self, path: str, what: str, *fields: str) -> list[dict[str, Any]]:
        """The objects of the list at a path below /api. fields: those that each must have."""
        found = self._found(path, what)
        if found is None:
            return []
        if not isinstance(found, list) or not all(_is_object(one, fields) for one in found):
            raise self._unlike_grafana()
        return found

    def history(self, path: str, what: str) -> list[dict[str, Any]]:
        """The saves of a dashboard, in a list or, since Grafana 11, in an object around it."""
        found = self._found(path, what)
        saves = found.get("versions") if isinstance(found, dict) else found or []
        if not isinstance(saves, list) or not all(_is_object(one, ()) for one in saves):
            raise self._unlike_grafana()
        return saves

    def _found(self, path: str, what: str) -> Any:
        try:
            return self.read(lambda: self.face.api.GET(path), what)
        except NotFoundError:
            return None

    def _unlike_grafana(self) -> GrafanaError:
        return GrafanaError(
            f"{self.url} does not answer like Grafana: is it the right grafana_url, or a login before it?"
        )

    def read(self, ask: Callable[[], _Answer], what: str) -> _Answer | None:
        """The answer to a question that changes nothing; None for an empty one."""
        return self._retried(ask, what, _PASSING, lost_is_safe=True)

    def write(self, send: Callable[[], _Answer], what: str) -> _Answer | None:
        """The answer to a change; None where Grafana says nothing but that it is done."""
        return self._retried(send, what, _WAIT, lost_is_safe=False)

    def _retried(
        self, call: Callable[[], _Answer], what: str, again: tuple[int, ...], *, lost_is_safe: bool
    ) -> _Answer | None:
        def worth_it(error: BaseException) -> bool:
            if isinstance(error, RefusalError):
                return error.status in again
            return isinstance(error, requests.RequestException) and (
                _nothing_was_sent(error)
                or (lost_is_safe and not isinstance(error, requests.exceptions.SSLError))
            )

        retrying = tenacity.Retrying(
            stop=tenacity.stop_after_attempt(_ATTEMPTS),
            wait=_pause,
            retry=tenacity.retry_if_exception(worth_it),
            sleep=self._sleep,
            reraise=True,
        )
        try:
            return retrying(call)
        except NoContentError:
            return None
        except RefusalError as refusal:
            raise explain(refusal, self.url, what) from None
        except NotJsonError:
            raise self._unlike_grafana() from None
        except requests.RequestException as error:
            raise self._explain_silence(error, what) from None

    def _explain_silence(self, error: requests.RequestException, what: str) -> GrafanaError:
        if isinstance(error, requests.exceptions.SSLError):
            return GrafanaError(
                f"the certificate of {self.url} is not to be trusted ({_innermost(error)}):"
                " set grafana_cafile to the authority that issued it"
            )
        if _nothing_was_sent(error):
            return GrafanaError(f"{self.url} cannot be reached ({_innermost(error)}): is grafana_url right?")
        if isinstance(error, requests.Timeout):
            return UnansweredError(
                f"cannot {what}: {self.url} did not answer within {self._timeout_seconds:g} s"
            )
        return UnansweredError(f"cannot {what}: the connection to {self.url} broke ({_innermost(error)})")


def _face(address: Address) -> GrafanaFace:
    if not re.fullmatch(r"[!-~]+", address.token):
        # requests would name it in its own error.
        raise GrafanaError("grafana_token is empty or holds what no token has: set it to a token alone")
    parts = urlsplit(address.url)
    host = parts.hostname or ""
    prefix = parts.path.strip("/")
    face = GrafanaFace(
        address.token,
        protocol=parts.scheme,
        host=f"[{host}]" if ":" in host else host,
        port=parts.port,
        url_path_prefix=f"{prefix}/" if prefix else "",
        verify=address.ca_file or True,
        timeout=address.timeout_seconds,
    )
    face.api.s = Session()
    return face


def _is_object(value: Any, fields: tuple[str, ...]) -> bool:
    return isinstance(value, dict) and all(field in value for field in fields)


def _pause(state: tenacity.RetryCallState) -> float:
    error = None if state.outcome is None else state.outcome.exception()
    asked = error.retry_after_seconds if isinstance(error, RefusalError) else None
    usual: float = _PAUSE_SECONDS * 2 ** (state.attempt_number - 1)
    return min(_MAX_PAUSE_SECONDS, usual if asked is None else max(usual, asked))


def _nothing_was_sent(error: BaseException) -> bool:
    if isinstance(error, requests.exceptions.ConnectTimeout):
        return True
    if isinstance(error, requests.exceptions.SSLError) or not isinstance(error, requests.ConnectionError):
        return False
    reason = getattr(error.args[0] if error.args else None, "reason", None)
    return isinstance(reason, urllib3.exceptions.NewConnectionError)


def _innermost(error: BaseException) -> str:
    """The last of the exceptions that libraries wrap in each other, in its own words."""
    while True:
        inner = error.args[0] if error.args else None
        inner = getattr(inner, "reason", inner)
        if not isinstance(inner, BaseException):
            break
        error = inner
    text = " ".join(str(error.args[-1] if error.args else error).split())
    return text.rpartition(": ")[2][:200] or type(error).__name__
