"""A strict stand-in for Grafana's HTTP API on a free port of loopback: it refuses what the docs do not allow.

Requests are kept in `requests`, in order. `trouble` holds what is to go wrong next, see `Trouble`.
"""

import json
import re
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final, NamedTuple, cast
from urllib.parse import parse_qs, unquote, urlsplit

from tests.grafana.alerting import Annotations, Rules
from tests.grafana.boards import Boards
from tests.grafana.datasources import Datasources
from tests.grafana.replies import ProblemError, Reply

__all__ = ["ADMIN", "EDITOR", "VIEWER", "FakeGrafana", "Request", "Trouble", "running"]

ADMIN: Final = "glsa_admin_0123456789"
EDITOR: Final = "glsa_editor_0123456789"
VIEWER: Final = "glsa_viewer_0123456789"
_RANK: Final = {VIEWER: 0, EDITOR: 1, ADMIN: 2}
_RULES: Final = "/api/v1/provisioning/alert-rules"


class Request(NamedTuple):
    """What was asked."""

    method: str
    path: str
    body: Any
    headers: dict[str, str]

    @property
    def writes(self) -> bool:
        """Whether it may change anything."""
        return self.method != "GET"


class Trouble(NamedTuple):
    """The next `times` requests that match get this answer.

    after: they are carried out before, so that only the answer is lost; seconds: to wait before it;
    raw: the body as it goes out; hang_up: the connection ends without an answer.
    """

    match: Callable[[Request], bool]
    status: int = 500
    raw: bytes = b'{"message": "internal server error"}'
    headers: tuple[tuple[str, str], ...] = ()
    times: int = 1
    after: bool = False
    seconds: float = 0.0
    hang_up: bool = False


class FakeGrafana:
    """The state of the server, and what it was asked."""

    def __init__(self) -> None:
        self.boards = Boards()
        self.datasources = Datasources()
        self.rules = Rules(self.boards.folders.keys(), self.datasources.kept.keys())
        self.annotations = Annotations()
        self.requests: list[Request] = []
        self.trouble: list[Trouble] = []
        self.versions_as_object = True
        self.url = ""
        self._lock = threading.Lock()

    @property
    def writes(self) -> list[tuple[str, str]]:
        """Method and path of every request that may have changed something."""
        return [(one.method, one.path) for one in self.requests if one.writes]

    def forget_requests(self) -> None:
        """Begin a new count."""
        self.requests.clear()

    def answer(self, request: Request) -> Reply:
        """What Grafana says."""
        with self._lock:
            try:
                self._check_rights(request)
                return self._routed(request)
            except ProblemError as problem:
                return problem.reply

    def next_trouble(self, request: Request) -> Trouble | None:
        """What is to go wrong with this request."""
        with self._lock:
            for n, one in enumerate(self.trouble):
                if one.match(request):
                    rest = [one._replace(times=one.times - 1)] if one.times > 1 else []
                    self.trouble[n : n + 1] = rest
                    return one
            return None

    def _check_rights(self, request: Request) -> None:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme != "Bearer" or token not in _RANK:
            raise ProblemError(401, "Invalid API key")
        path = urlsplit(request.path).path
        needed = 0 if not request.writes else 2 if path.startswith("/api/datasources") else 1
        if _RANK[token] < needed:
            raise ProblemError(403, "You'll need additional permissions to perform this action.")
        kind = request.headers.get("content-type", "")
        if request.method in {"POST", "PUT"} and not kind.startswith("application/json"):
            raise ProblemError(415, "unsupported media type")

    def _routed(self, request: Request) -> Reply:
        path, query = urlsplit(request.path).path, parse_qs(urlsplit(request.path).query)
        provenance = "" if "x-disable-provenance" in request.headers else "api"
        body, boards, rules = request.body, self.boards, self.rules
        routes: list[tuple[str, str, Callable[..., Reply]]] = [
            ("POST", "/api/folders", lambda: boards.create_folder(body)),
            ("GET", "/api/folders/([^/]+)", boards.folder),
            ("POST", "/api/dashboards/db", lambda: boards.save(body)),
            ("GET", "/api/dashboards/uid/([^/]+)", boards.dashboard),
            ("DELETE", "/api/dashboards/uid/([^/]+)", boards.delete),
            (
                "GET",
                "/api/dashboards/uid/([^/]+)/versions",
                lambda uid: boards.versions(uid, query, as_object=self.versions_as_object),
            ),
            ("GET", "/api/search", lambda: boards.search(query)),
            ("GET", "/api/datasources/uid/([^/]+)", self.datasources.get),
            ("POST", "/api/datasources", lambda: self.datasources.create(body)),
            ("PUT", "/api/datasources/uid/([^/]+)", lambda uid: self.datasources.update(uid, body)),
            ("GET", _RULES, rules.all),
            ("POST", _RULES, lambda: rules.create(body, provenance)),
            ("GET", f"{_RULES}/([^/]+)", rules.get),
            ("PUT", f"{_RULES}/([^/]+)", lambda uid: rules.update(uid, body, provenance)),
            ("DELETE", f"{_RULES}/([^/]+)", lambda uid: rules.delete(uid, provenance)),
            ("GET", "/api/annotations", lambda: self.annotations.find(query)),
            ("POST", "/api/annotations", lambda: self.annotations.create(body)),
        ]
        for method, pattern, act in routes:
            match = re.fullmatch(pattern, path)
            if match and method == request.method:
                return act(*(unquote(part) for part in match.groups()))
        raise ProblemError(404, "Not found")


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Without this the parts of an answer wait for each other's acknowledgement.
    wbufsize = -1
    disable_nagle_algorithm = True

    def _serve(self) -> None:
        grafana = cast("_Server", self.server).grafana
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        try:
            body = json.loads(raw) if raw else None
        except ValueError:
            self._send(400, b'{"message": "bad request data"}')
            return
        request = Request(self.command, self.path, body, headers)
        grafana.requests.append(request)
        trouble = grafana.next_trouble(request)
        if trouble is None or trouble.after:
            reply = grafana.answer(request)
        if trouble is None:
            text = b"" if reply.body is None else json.dumps(reply.body).encode()
            self._send(reply.status, text)
            return
        time.sleep(trouble.seconds)
        if trouble.hang_up:
            self.close_connection = True
            return
        self._send(trouble.status, trouble.raw, trouble.headers)

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def do_PUT(self) -> None:
        self._serve()

    def do_DELETE(self) -> None:
        self._serve()

    def _send(self, status: int, text: bytes, headers: tuple[tuple[str, str], ...] = ()) -> None:
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        if status != 204:
            self.send_header("Content-Length", str(len(text)))
            self.send_header("Content-Type", "application/json; charset=UTF-8")
        self.end_headers()
        if status != 204:
            self.wfile.write(text)

    def log_message(self, *_: object) -> None:
        """Nothing on standard error."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, grafana: FakeGrafana) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.grafana = grafana

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that gave up, or that does not trust us, is what some tests are about."""


@contextmanager
def running(grafana: FakeGrafana, tls: ssl.SSLContext | None = None) -> Iterator[FakeGrafana]:
    """Serve it for the block, with TLS if a context is given; `url` says where."""
    server = _Server(grafana)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    grafana.url = f"{'http' if tls is None else 'https'}://127.0.0.1:{server.server_address[1]}"
    try:
        yield grafana
    finally:
        server.shutdown()
        server.server_close()
        thread.join(timeout=10)
