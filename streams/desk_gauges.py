"""What the metrics say of the desks: counted as it happens, and shown a few times a second.

To look at all narratives of a desk costs more than to add a comment to one, hence the pause in between, which
is the longer the more there are.
"""

import time
from collections.abc import Callable, Iterable

from models.outcome import EventType, Kind, NarrativeView
from streams.desks import Observed, Shard
from streams.metrics import CAMPAIGN, Metrics
from streams.narrative_series import NarrativeSeries, NarrativeStats, WatchSeries

__all__ = ["SHOW_SECONDS", "DeskGauges"]

SHOW_SECONDS = 0.25
_PAUSES_PER_LOOK = 20.0  # showing takes at most a twentieth of the time
# What is counted in windows gets less when nothing comes; Prometheus looks four times a minute.
RENEW_SECONDS = 10.0
_LIVE_SECONDS = 86_400.0  # a desk that was saved so long ago at most went on without us

_UNJUDGED = "unjudged"


class DeskGauges:
    """Not for several threads at once.

    overlaid: a desk's view with its refined label, if it has one; clock: seconds since the epoch.
    """

    def __init__(
        self,
        metrics: Metrics,
        series: NarrativeSeries,
        *,
        overlaid: Callable[[str, NarrativeView], NarrativeView] = lambda _, view: view,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._metrics = metrics
        self._series = series
        self._overlaid = overlaid
        self._clock = clock
        self._watches = WatchSeries(metrics)
        self._shards: dict[str, Shard] = {}  # of all desks
        self._heard: dict[str, float] = {}  # when the last comment of a desk came
        self._renewed = 0.0
        self._touched: dict[str, Shard] = {}
        self._arrivals_ms: list[int] = []  # of comments that have not been shown
        self._shown = 0.0
        self._pause = SHOW_SECONDS

    @property
    def is_due(self) -> bool:
        """Whether the last time is long enough ago."""
        return self._clock() - self._shown >= self._pause

    @property
    def is_costly(self) -> bool:
        """Whether showing takes so long that it should wait until it is due, whatever else is done."""
        return self._pause > SHOW_SECONDS

    def count(self, observed: Iterable[Observed]) -> None:
        """Count what engines made of comments."""
        now = self._clock()
        for _, batch, outcome in observed:
            self._heard[batch.desk] = now
            if outcome.duplicates:
                self._metrics.duplicate()
                continue
            self._metrics.withdrawn(edited=outcome.edited, deleted=outcome.deleted)
            if not (outcome.edited or outcome.deleted):
                self._metrics.comment(batch.desk, len(batch.claims))
                self._metrics.source_heard(batch.desk, batch.source, batch.arrival_ms / 1000)
            for language, source, stance in outcome.made:
                self._metrics.mention(
                    batch.desk, language=language, source=source, stance=stance or _UNJUDGED
                )
            for event in outcome.events:
                self._metrics.event(batch.desk, event.type.value)
                if event.type is EventType.EMERGED and event.narrative.kind is Kind.CAMPAIGN:
                    self._metrics.event(batch.desk, CAMPAIGN)
            for match in outcome.matches:
                self._metrics.watch_match(batch.desk, match.watch)
            self._arrivals_ms.append(batch.arrival_ms)

    def touch(self, desks: Iterable[tuple[Shard, str]]) -> None:
        """These desks have something new to show."""
        for shard, desk in desks:
            self._touched[desk] = self._shards[desk] = shard

    def show(self) -> None:
        """Show the desks that were touched, and now and then how windows of the others have moved on."""
        begun = time.perf_counter()
        for desk, shard in self._touched.items():
            overview = shard.overview(desk, self._series.top)
            self._metrics.narratives(desk, {state.value: count for state, count in overview.states.items()})
            self._series.show(desk, [_stats(self._overlaid(desk, view)) for view in overview.shown])
        now = self._clock()
        is_time = now - self._renewed >= RENEW_SECONDS
        for desk, shard in (self._shards if is_time else self._touched).items():
            self._read(desk, shard, now)
        self._renewed = now if is_time else self._renewed
        for arrival_ms in self._arrivals_ms:
            self._metrics.delay(now - arrival_ms / 1000)
        self._touched.clear()
        self._arrivals_ms.clear()
        self._shown = now
        self._pause = max(SHOW_SECONDS, _PAUSES_PER_LOOK * (time.perf_counter() - begun))

    def forget(self, shard: Shard) -> None:
        """The desks of this shard belong to another worker now."""
        for desk in shard.desks:
            for known in (self._touched, self._shards, self._heard):
                known.pop(desk, None)
            self._series.retire_desk(desk)
            self._watches.retire_desk(desk)
            self._metrics.forget_desk(desk)

    def _read(self, desk: str, shard: Shard, now: float) -> None:
        """Event time goes on with the clock when nothing comes: of old comments that are read today, too."""
        event_ms = shard.now_ms(desk)
        if event_ms is None:
            return
        at = event_ms / 1000
        heard = self._heard.setdefault(desk, at if abs(now - at) < _LIVE_SECONDS else now)
        found = shard.readings(
            desk, set(self._series.shown(desk)), round((at + max(0.0, now - heard)) * 1000)
        )
        self._series.read(desk, found.narratives)
        self._watches.read(desk, found.watches)


def _stats(view: NarrativeView) -> NarrativeStats:
    """Without a judged stance every mention counts as support."""
    return NarrativeStats(
        narrative_id=view.narrative_id,
        label=view.label,
        language=max(view.languages, key=lambda one: (view.languages[one], one), default=""),
        kind=view.kind.value,
        supporting=view.mentions if view.supporting is None else view.supporting,
        rebutting=view.rebutting or 0,
        authors=view.authors,
        threads=len(view.threads),
        copies=view.copies,
        emerged_seconds=view.emerged_at.timestamp(),
        last_seen_seconds=view.last_seen.timestamp(),
        unjudged=0 if view.supporting is None else view.mentions - view.supporting - (view.rebutting or 0),
    )
