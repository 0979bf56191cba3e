"""The metrics of `narrawatch web`, bound to a registry, and what counts its requests.

`streams.metric_specs` is the table. They are served on a port of their own (`streams.metrics_server`): those
who may read the page need not see them, and Prometheus needs no token.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from typing import Protocol

from prometheus_client import CollectorRegistry
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from streams import metric_specs as specs
from streams.metric_families import counter, gauge, histogram
from streams.web.store import Counted

__all__ = ["NO_ROUTE", "Measured", "WebMetrics"]

NO_ROUTE = "_none"  # no address of ours, or refused before anybody looked: strangers must not make series


class Kept(Protocol):
    """What the page keeps; see `streams.web.store.Store`."""

    def size_bytes(self) -> int:
        """On the disk."""

    def count(self, table: Counted) -> int:
        """Rows of a table."""


class WebMetrics:
    """One per registry; a second one on the same registry is a ValueError."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._seconds = histogram(specs.WEB_REQUEST, registry)
        self._requests = counter(specs.WEB_REQUESTS, registry)
        self._streams = gauge(specs.WEB_STREAMS, registry)
        self._records = counter(specs.WEB_RECORDS, registry)
        self._refused = counter(specs.WEB_REFUSED, registry)
        self._lag = gauge(specs.WEB_LAG, registry)
        self._ready = gauge(specs.WEB_READY, registry)
        self._store = gauge(specs.WEB_STORE, registry)
        self._narratives = gauge(specs.WEB_NARRATIVES, registry)
        self._mentions = gauge(specs.WEB_MENTIONS, registry)

    def answered(self, route: str, status: int, seconds: float) -> None:
        """An answer began. route: the template of its address; seconds: since the request."""
        self._requests.labels(route=route, status=f"{status // 100}xx").inc()
        self._seconds.labels(route=route).observe(seconds)

    def streaming(self) -> AbstractContextManager[None]:
        """A page is open and told of what is new, for the block."""
        return self._streams.track_inprogress()

    def reads(self, topics: Iterable[str]) -> None:
        """These will be read: their counters are there before they count."""
        for topic in topics:
            self._records.labels(topic=topic)
            self._refused.labels(topic=topic)

    def read(self, topic: str, records: int) -> None:
        """So many records were read, and are safe."""
        self._records.labels(topic=topic).inc(records)

    def refused(self, topic: str) -> None:
        """A record could not be read."""
        self._refused.labels(topic=topic).inc()

    def unread(self, records: Mapping[str, int]) -> None:
        """So many records of each topic are there and not read yet."""
        for topic, count in records.items():
            self._lag.labels(topic=topic).set(count)

    def follow(self, store: Kept, is_ready: Callable[[], bool]) -> None:
        """Look at the store, and ask this, from any thread, whenever metrics are read."""
        self._ready.set_function(lambda: float(is_ready()))
        self._store.set_function(lambda: float(store.size_bytes()))
        self._narratives.set_function(lambda: float(store.count("narratives")))
        self._mentions.set_function(lambda: float(store.count("mentions")))


class Measured:
    """An application whose requests are counted, as plain ASGI: answers that stream go through untouched.

    clock: monotonic seconds.
    """

    def __init__(
        self, app: ASGIApp, metrics: WebMetrics, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._app = app
        self._metrics = metrics
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI. The application leaves the route that it chooses in the scope."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = self._clock()

        async def send_counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._metrics.answered(_route(scope), message["status"], self._clock() - began)
            await send(message)

        await self._app(scope, receive, send_counted)


def _route(scope: Scope) -> str:
    """A template, never an address: that of the route, or where what answers is mounted."""
    mounted: str = scope.get("root_path") or NO_ROUTE
    template: str = getattr(scope.get("route"), "path", mounted)
    return template
