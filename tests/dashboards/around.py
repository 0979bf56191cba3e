"""What goes on around the workers of the world of the tests: live sources are read, and the page is."""

from typing import Final

from prometheus_client import CollectorRegistry

from streams.errors import FailureReason
from streams.ingest.metrics import IngestMetrics, SourceMetrics
from streams.polite.gate import WaitCause
from streams.topics import Topic
from streams.web.metrics import NO_ROUTE, WebMetrics
from streams.web.store import Counted

__all__ = ["BUSY", "CLOSED", "LivePage", "LiveSources"]

BUSY: Final = "hackernews"
CLOSED: Final = "closed.example"
_KINDS: Final = {BUSY: "hackernews", "lemonde.example": "wordpress", CLOSED: "feed"}


class LiveSources:
    """Two that are read, and one whose robots.txt forbids it from the first look on."""

    def __init__(self, registry: CollectorRegistry, desk: str, began: float) -> None:
        families = IngestMetrics(registry)
        self._sources = {name: families.of(desk, name, kind=kind, now=began) for name, kind in _KINDS.items()}
        self._sources[CLOSED].delivered(1, [began - 3_600], now=began)

    def live(self, now: float, minute: int) -> None:
        """What happens in this minute."""
        for name, source in self._sources.items():
            source.waited(WaitCause.TURN, 30.0)
            if name == CLOSED:
                source.failed(FailureReason.ROBOTS)
            else:
                _read(source, now, minute)
        if minute % 30 == 0:
            self._sources[BUSY].failed(FailureReason.BUSY)
            self._sources[BUSY].answered(429)
            self._sources[BUSY].waited(WaitCause.RETRY_AFTER, 10.0)


def _read(source: SourceMetrics, now: float, minute: int) -> None:
    source.delivered(2 + minute % 3, [now - 60], now=now)
    source.polled(now)
    source.answered(200)


class _Store:
    """As large as it will ever be."""

    def size_bytes(self) -> int:
        return 50_000_000

    def count(self, table: Counted) -> int:
        return {"narratives": 900, "mentions": 40_000}[table]


class LivePage:
    """Read by some people all day; it keeps up with the topics but for an hour in the middle."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._metrics = WebMetrics(registry)
        self._metrics.reads((Topic.NARRATIVES, Topic.MENTIONS))
        self._metrics.follow(_Store(), lambda: self._behind < 10_000)
        self._behind = 0

    def live(self, minute: int) -> None:
        """What happens in this minute."""
        metrics = self._metrics
        for n in range(3):
            metrics.answered("/", 200, 0.02 * (1 + n))
        metrics.answered("/narratives/{narrative_id}", 200, 0.3)
        metrics.answered(NO_ROUTE, 401 if minute % 10 else 404, 0.001)
        metrics.read(Topic.MENTIONS, 4)
        metrics.read(Topic.NARRATIVES, 1)
        if minute % 30 == 0:
            metrics.refused(Topic.MENTIONS)
        self._behind = 12_000 if 120 <= minute < 180 else 3
        metrics.unread({Topic.MENTIONS: self._behind, Topic.NARRATIVES: 0})
