"""Takes Alertmanager's webhooks, adds the quotes, and goes on to the receivers.

Problem: an alert is a set of labels and figures; who is told wants to see what people wrote. Quotes in labels
or annotations would put strangers' texts into Prometheus, as many and as long as they like. Aims: evidence in
the notification, nothing of it in metrics, and Alertmanager's grouping, silences and inhibition kept. Choice:
quotes are added on the way, from the topic `narratives`, which has them anyway.

What cannot be delivered for a reason that may pass is answered with 503: Alertmanager comes again, and who
was told already is not told twice. Loopback unless the settings say otherwise, and then with a token.
"""

import hmac
import json
import logging
import time
from contextlib import AbstractContextManager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import BoundedSemaphore, Thread
from types import TracebackType
from typing import Any

import msgspec

from streams.errors import BrokerError, InputError
from streams.notify.alertmanager import decode_group, from_group, kinds_of, narrative_of
from streams.notify.dispatcher import Dispatcher
from streams.notify.metrics import Fate
from streams.notify.narrative_book import NarrativeBook
from streams.notify.notification import Evidence, evidence_of
from streams.settings_fields import Settings

__all__ = ["PATH", "Bridge"]

PATH = "/alertmanager"
_HEALTH_PATH = "/health"
_MAX_BODY_BYTES = 4 * 1024 * 1024
_MAX_AT_ONCE = 16
_READ_SECONDS = 10.0
_LATE_RECORD_SECONDS = 5.0  # for so long a narrative's record may be behind its metrics
_JOIN_SECONDS = 5.0

_logger = logging.getLogger(__name__)


class Bridge(AbstractContextManager["Bridge"]):
    """Listens from construction until `close`.  Raises BrokerError when the port cannot be had."""

    def __init__(self, settings: Settings, book: NarrativeBook, dispatcher: Dispatcher) -> None:
        self._book = book
        self._dispatcher = dispatcher
        token = settings.notify_listen_token
        self._token = None if token is None else token.get_secret_value()
        self._slots = BoundedSemaphore(_MAX_AT_ONCE)
        host, port = settings.notify_listen_host, settings.notify_listen_port
        try:
            self._server = ThreadingHTTPServer((host, port), _handler_for(self))
        except OSError as error:
            raise BrokerError(
                f"notify_listen_port {port} of {host} cannot be used: {error.strerror}"
            ) from None
        self._server.daemon_threads = True
        self._host = f"[{host}]" if ":" in host else host
        self._thread = Thread(target=self._server.serve_forever, args=(0.1,), name="bridge", daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """The address for Alertmanager's configuration."""
        return f"http://{self._host}:{self._server.server_port}{PATH}"

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(_JOIN_SECONDS)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def admits(self, authorization: str) -> bool:
        """Whether who shows this may send alerts."""
        wanted = f"Bearer {self._token}"
        return self._token is None or hmac.compare_digest(
            wanted.encode(), authorization.encode("utf-8", "replace")
        )

    def take(self, body: bytes) -> tuple[HTTPStatus, dict[str, Any]]:
        """Deliver a group of alerts; returns what Alertmanager is answered."""
        try:
            group = decode_group(body)
        except InputError as error:
            _logger.warning("a request that is none of Alertmanager's: %s", error)
            return HTTPStatus.BAD_REQUEST, {"error": str(error)}
        if not self._slots.acquire(blocking=False):
            return HTTPStatus.SERVICE_UNAVAILABLE, {"error": "too many at once"}
        try:
            subject = narrative_of(group)
            kinds = kinds_of(group)
            evidence = None if subject is None else self._evidence(*subject, is_spike="spiking" in kinds)
            notification = from_group(group, evidence)
            results = self._dispatcher.send(notification, types=kinds, attempts=1, patient=True)
        finally:
            self._slots.release()
        postponed = any(result.fate is Fate.POSTPONED for result in results)
        status = HTTPStatus.SERVICE_UNAVAILABLE if postponed else HTTPStatus.OK
        return status, {"id": notification.id, **{one.receiver: one.fate.value for one in results}}

    def _evidence(self, desk: str, narrative_id: str, *, is_spike: bool) -> Evidence | None:
        """What is known of a narrative; of one that spikes with what was written in the burst."""
        record = self._book.find(desk, narrative_id, wait_seconds=_LATE_RECORD_SECONDS)
        if record is None:
            return None
        burst = self._book.burst(desk, narrative_id, time.time()) if is_spike else []
        return evidence_of(msgspec.structs.replace(record, quotes=burst) if burst else record)

    def health(self) -> tuple[HTTPStatus, dict[str, Any]]:
        """200 when alerts would be delivered with quotes."""
        good = self._book.is_current
        status = HTTPStatus.OK if good else HTTPStatus.SERVICE_UNAVAILABLE
        return status, {
            "status": "pass" if good else "fail",
            "reasons": [] if good else ["narratives are being read"],
        }


def _handler_for(bridge: Bridge) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = _READ_SECONDS
        server_version = "narrawatch"
        sys_version = ""

        def do_GET(self) -> None:
            if self.path == _HEALTH_PATH:
                self._answer(*bridge.health())
            else:
                self._answer(HTTPStatus.NOT_FOUND, {"error": f"here are {PATH}, {_HEALTH_PATH}"})

        def do_POST(self) -> None:
            refusal = self._refusal()
            if refusal is None:
                length = int(self.headers["Content-Length"])
                self._answer(*bridge.take(self.rfile.read(length)))
            else:
                self.close_connection = True
                self._answer(refusal, {"error": refusal.phrase})

        def _refusal(self) -> HTTPStatus | None:
            length = self.headers.get("Content-Length", "")
            if self.path != PATH:
                return HTTPStatus.NOT_FOUND
            if not bridge.admits(self.headers.get("Authorization", "")):
                return HTTPStatus.UNAUTHORIZED
            # A page in somebody's browser can send forms to loopback, but not this.
            if self.headers.get_content_type() != "application/json":
                return HTTPStatus.UNSUPPORTED_MEDIA_TYPE
            if not (length.isascii() and length.isdigit()):
                return HTTPStatus.LENGTH_REQUIRED
            return HTTPStatus.REQUEST_ENTITY_TOO_LARGE if int(length) > _MAX_BODY_BYTES else None

        def _answer(self, status: HTTPStatus, body: dict[str, Any]) -> None:
            content = json.dumps(body).encode() + b"\n"
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is the base class's
            _logger.debug(format, *args)

    return Handler
