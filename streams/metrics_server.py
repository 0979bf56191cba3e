"""Serves metrics and health over HTTP, on loopback unless the settings say otherwise.

/metrics is for Prometheus, /health and /ready for whatever supervises the process: 200 or 503, and JSON that
says why. What the two mean of a worker is in `streams.health`.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from threading import Thread
from types import TracebackType
from typing import TYPE_CHECKING
from wsgiref.simple_server import WSGIServer

from prometheus_client import (
    CollectorRegistry,
    ProcessCollector,
    disable_created_metrics,
    make_wsgi_app,
    start_http_server,
)

from streams.errors import BrokerError
from streams.health import Answer

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

__all__ = ["MetricsServer", "new_registry"]

_JOIN_SECONDS = 5.0


def new_registry() -> CollectorRegistry:
    """A registry that already knows the memory, CPU time and open files of this process."""
    # A second series for each counter and histogram, which says when it began, is more than it is worth.
    without_created_series: Callable[[], None] = disable_created_metrics  # has no types of its own
    without_created_series()
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    return registry


class MetricsServer(AbstractContextManager["MetricsServer"]):
    """The pages in a thread of its own, from construction until `close`.

    host, port: where to listen; port 0 takes a free one; questions: further pages, by path, and what they
    answer; setting: which one names the port.
    Raises BrokerError when the port cannot be had.
    """

    def __init__(
        self,
        registry: CollectorRegistry,
        *,
        host: str,
        port: int,
        questions: Mapping[str, Callable[[], Answer]] | None = None,
        setting: str = "metrics_port",
    ) -> None:
        self._server: WSGIServer
        self._thread: Thread
        try:
            self._server, self._thread = start_http_server(port, addr=host, registry=registry)
        except OSError as error:
            raise BrokerError(f"{setting} {port} of {host} cannot be used: {error.strerror}") from None
        self._server.set_app(_pages(registry, questions or {}))
        self._host = f"[{host}]" if ":" in host else host

    @property
    def url(self) -> str:
        """Where Prometheus finds the metrics."""
        return f"http://{self._host}:{self._server.server_port}/metrics"

    def close(self) -> None:
        """Stop listening; returns when the port is free again."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(_JOIN_SECONDS)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def _pages(registry: CollectorRegistry, questions: Mapping[str, Callable[[], Answer]]) -> "WSGIApplication":
    metrics: WSGIApplication = make_wsgi_app(registry)

    def page(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if path == "/metrics":
            return metrics(environ, start_response)
        if environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
            status, body = "405 Method Not Allowed", {"error": "use GET"}
        elif path in questions:
            answer = questions[path]()
            status, body = "200 OK" if answer.good else "503 Service Unavailable", answer.body
        else:
            status, body = "404 Not Found", {"error": f"here are {', '.join(('/metrics', *questions))}"}
        content = json.dumps(body).encode() + b"\n"
        headers = [("Content-Type", "application/json"), ("Content-Length", str(len(content)))]
        start_response(status, [*headers, ("Cache-Control", "no-store")])
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [content]

    return page
