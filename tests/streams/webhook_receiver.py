"""A receiver of webhooks on loopback, which answers as it is told and keeps what it got."""

import json
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

__all__ = ["Answer", "Got", "Hook", "webhook_receiver"]


class Answer(NamedTuple):
    status: int = 200
    headers: Sequence[tuple[str, str]] = ()
    delay_seconds: float = 0.0


class Got(NamedTuple):
    """One request. at: monotonic seconds."""

    path: str
    headers: Mapping[str, str]
    body: bytes
    at: float

    @property
    def json(self) -> dict[str, Any]:
        loaded: dict[str, Any] = json.loads(self.body)
        return loaded


class Hook:
    """answers: one a request, the last one for ever."""

    def __init__(self, port: int, answers: Sequence[Answer]) -> None:
        self.port = port
        self.url = f"http://127.0.0.1:{port}/hook/secret-part-of-the-address"
        self.answers = list(answers)
        self.got: list[Got] = []
        self._changed = threading.Condition()

    def take(self, got: Got) -> Answer:
        with self._changed:
            self.got.append(got)
            self._changed.notify_all()
            return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]

    def wait_for(self, count: int, seconds: float = 30.0) -> list[Got]:
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.got) >= count, seconds), (
                f"{len(self.got)} of {count}"
            )
            return list(self.got)


@contextmanager
def webhook_receiver(*answers: Answer) -> Iterator[Hook]:
    """A receiver for the block."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            answer = hook.take(Got(self.path, dict(self.headers.items()), body, time.monotonic()))
            time.sleep(answer.delay_seconds)
            try:
                self.send_response(answer.status)
                for name, value in answer.headers:
                    self.send_header(name, value)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"ok")
            except (BrokenPipeError, ConnectionResetError):
                pass  # who asked has gone

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    hook = Hook(server.server_address[1], answers or [Answer()])
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield hook
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
