"""An HTTP server on loopback that answers as it is told, and remembers what it was asked."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import NamedTuple

__all__ = ["Asked", "Reply", "ScriptedServer", "scripted_server"]


class Asked(NamedTuple):
    """A request. at, done: seconds of a clock that only runs forward."""

    path: str
    headers: Mapping[str, str]
    at: float
    done: float


class Reply(NamedTuple):
    """An answer. body may be sent in parts, with a pause before each."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = {}
    pause_seconds: float = 0.0
    parts: int = 1
    claimed_length: int | None = None


class ScriptedServer:
    """answer: what becomes of a path; robots: the file, None for 404."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.port = port
        self.asked: list[Asked] = []
        self.answer: Callable[[str, Mapping[str, str]], Reply] = lambda _, __: Reply(body=b"{}")
        self.robots: Reply = Reply(404)

    @property
    def paths(self) -> list[str]:
        """What was asked for, without robots.txt."""
        return [one.path for one in self.asked if one.path != "/robots.txt"]


@contextmanager
def scripted_server() -> Iterator[ScriptedServer]:
    """One that runs for the block."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            begun = time.monotonic()
            headers = {name.lower(): value for name, value in self.headers.items()}
            given = server.robots if self.path == "/robots.txt" else server.answer(self.path, headers)
            self.send_response(given.status)
            for name, value in given.headers.items():
                self.send_header(name, value)
            length = len(given.body) if given.claimed_length is None else given.claimed_length
            self.send_header("Content-Length", str(length))
            self.end_headers()
            size = max(1, -(-len(given.body) // given.parts))
            try:
                for start in range(0, max(1, len(given.body)), size):
                    time.sleep(given.pause_seconds)
                    self.wfile.write(given.body[start : start + size])
                    self.wfile.flush()
            except OSError:
                pass  # the client has had enough
            server.asked.append(Asked(self.path, headers, begun, time.monotonic()))
            if given.claimed_length is not None:
                self.close_connection = True

        def log_message(self, *_: object) -> None:
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server = ScriptedServer(http.server_port)
    thread = Thread(target=http.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        http.shutdown()
        http.server_close()
        thread.join()
