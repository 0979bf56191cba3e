"""Serves the metrics of one registry over HTTP, on loopback unless the settings say otherwise."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from threading import Thread
from types import TracebackType
from wsgiref.simple_server import WSGIServer

from prometheus_client import (
    CollectorRegistry,
    ProcessCollector,
    disable_created_metrics,
    start_http_server,
)

from streams.errors import BrokerError

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
    """/metrics in a thread of its own, from construction until `close`.

    host, port: where to listen; port 0 takes a free one. Raises BrokerError when it cannot be had.
    """

    def __init__(self, registry: CollectorRegistry, *, host: str, port: int) -> None:
        self._server: WSGIServer
        self._thread: Thread
        try:
            self._server, self._thread = start_http_server(port, addr=host, registry=registry)
        except OSError as error:
            raise BrokerError(f"metrics_port {port} of {host} cannot be used: {error.strerror}") from None
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
