"""Six hours of a newsroom in the app's own metrics: two desks with their narratives, watches, trouble."""

import math
from typing import Final

from prometheus_client import CollectorRegistry

from models.readings import WINDOWS, Reading, WindowReading
from streams.errors import RefinementOutcome, RejectReason
from streams.metrics import Metrics
from streams.narrative_series import NarrativeSeries, NarrativeStats, WatchSeries
from streams.notify.metrics import Fate, NotifyMetrics
from tests.dashboards.around import LivePage, LiveSources
from tests.prometheus import History

__all__ = ["CHOSEN", "DESK", "END", "HOURS", "LABEL", "START", "WATCH", "lived"]

# A round moment, so that rates are the same in every run.
END: Final = 1_790_000_000.0
HOURS: Final = 6
START: Final = END - HOURS * 3600
_STEP_MINUTES: Final = 2

DESK: Final = "french-tech"
CHOSEN: Final = "n00000000000000a1"
# What strangers write gets into a label: quotes, backslashes and what looks like another label.
LABEL: Final = 'Le rachat est "déguisé", narrative_id="n666" \\ {et} tout le monde le sait'
WATCH: Final = "rachat (déguisé) + $watch"  # a name may hold what a regular expression takes for its own

_DESKS: Final = (DESK, "security")
_SOURCES: Final = ("hackernews", "lemonde.example")


def lived() -> History:
    """The whole history, from metrics that were moved as the app moves them."""
    registry = CollectorRegistry()
    metrics = Metrics(registry)
    metrics.build("0.1.0")
    metrics.model("intfloat/multilingual-e5-small", "packaged")
    metrics.follow_readiness(lambda: True)
    told = NotifyMetrics(registry, ["desk-chat"])
    ingest, page = LiveSources(registry, DESK, START), LivePage(registry)
    narratives, watches = NarrativeSeries(metrics, top=50), WatchSeries(metrics)
    history = History()
    for minute in range(0, HOURS * 60 + 1, _STEP_MINUTES):
        now = START + minute * 60
        for desk in _DESKS:
            _traffic(metrics, desk, now, minute)
            _narratives(metrics, narratives, desk, now, minute)
            watches.read(desk, {WATCH: _reading(minute), "data centres": _reading(minute // 2)})
        _machinery(metrics, minute)
        ingest.live(now, minute)
        page.live(minute)
        if minute % 20 == 0:
            told.done("desk-chat", Fate.DELIVERED)
            told.took("desk-chat", 0.4)
        history.scrape(registry, now)
    return history


def _traffic(metrics: Metrics, desk: str, now: float, minute: int) -> None:
    for n in range(3 + minute % 4):
        metrics.comment(desk, claims=1 + n % 2)
        metrics.mention(
            desk,
            language=("fr", "en", "de")[n % 3],
            source=_SOURCES[n % 2],
            stance=("supports", "rebuts", "unjudged")[n % 3],
        )
    metrics.source_heard(desk, _SOURCES[minute // 2 % 2], now)
    metrics.source_heard(desk, "quiet.example", START)
    if minute % 7 == 0:
        metrics.watch_match(desk, WATCH)
        metrics.watch_match(desk, "data centres")
    if minute % 50 == 0:
        metrics.event(desk, "emerged")


def _narratives(metrics: Metrics, series: NarrativeSeries, desk: str, now: float, minute: int) -> None:
    living = [_stats(desk, n, now, minute) for n in range(12)]
    metrics.narratives(desk, {"emerged": len(living), "faded": 3})
    series.show(desk, living)
    series.read(desk, {one.narrative_id: _reading(minute + 5 * n) for n, one in enumerate(living)})


def _stats(desk: str, n: int, now: float, minute: int) -> NarrativeStats:
    chosen = desk == DESK and n == 1
    return NarrativeStats(
        narrative_id=CHOSEN if chosen else f"n{_DESKS.index(desk)}{n:015x}",
        label=LABEL if chosen else f"Claim {n} of {desk}",
        language="fr" if desk == DESK else "en",
        kind="campaign" if n % 5 == 1 else "organic",
        supporting=10 + minute // (n + 1),
        rebutting=2 + minute // (4 * (n + 1)),
        unjudged=n,
        authors=3 + minute // 20,
        threads=1 + minute // 60,
        copies=5 if n % 5 == 1 else 0,
        emerged_seconds=START + 1800 * n,
        last_seen_seconds=now - 60 * n,
    )


def _reading(minute: int) -> Reading:
    """Calm but for a burst in every two hours."""
    burst = max(0.0, math.sin(minute / 20.0)) ** 3
    windows = tuple(
        WindowReading(name, round(6 + 20 * burst * seconds / 3600), 4.0 * seconds / 3600, 8 * burst)
        for name, seconds in WINDOWS.items()
    )
    return Reading(8 * burst, windows)


def _machinery(metrics: Metrics, minute: int) -> None:
    for n in range(3):
        metrics.embedded(0.02 * (1 + (minute + n) % 9), 16 * (1 + n))
        metrics.delay(0.5 * (1 + (minute + n) % 40))
    metrics.queue(minute % 30)
    for partition in range(2):
        metrics.lag("comments", partition, (minute * 13) % 400)
        metrics.lag("claims", partition, (minute * 7) % 90)
    if minute % 11 == 0:
        metrics.rejected(RejectReason.INVALID_JSON)
        metrics.duplicate()
        metrics.dates_refused(1)
        metrics.withdrawn(edited=2, deleted=1)
        metrics.label_refinement(next(iter(RefinementOutcome)))
    metrics.malformed(0.01 * (minute % 10))
    metrics.broken_stream(0.002 * (minute % 10))
