"""The metric table bound to a registry, with one method for each thing that happens.

`streams.metric_specs` is the table, `streams.narrative_series` keeps the series of single narratives,
`streams.metrics_server` serves them. The registry is passed in: two workers in one process, or two tests, do
not meet.
"""

from collections.abc import Callable, Collection, Mapping

from prometheus_client import CollectorRegistry

from models.outcome import EventType
from streams import metric_specs as specs
from streams.errors import RefinementOutcome, RejectReason
from streams.metric_families import counter, gauge, histogram

__all__ = ["CAMPAIGN", "MAX_DESKS", "MAX_SOURCES", "OTHER", "OTHER_DESK", "Metrics"]

MAX_DESKS = 100
MAX_SOURCES = 50  # of a desk
# Where the desks beyond are counted, as a source may invent desks without end. No desk can have this name.
OTHER_DESK = "_other"
OTHER = "_other"  # in place of a source or a language that is not told apart
CAMPAIGN = "campaign"  # counted beside `emerged`

_LANGUAGES = ("en", "fr")
_OF_NARRATIVES = (
    specs.NARRATIVE_MENTIONS,
    specs.NARRATIVE_SURPRISE,
    specs.NARRATIVE_OBSERVED,
    specs.NARRATIVE_EXPECTED,
    specs.NARRATIVE_AUTHORS,
    specs.NARRATIVE_THREADS,
    specs.NARRATIVE_COPIES,
    specs.NARRATIVE_EMERGED,
    specs.NARRATIVE_LAST_SEEN,
)
_OF_WATCHES = (specs.WATCH_SURPRISE, specs.WATCH_OBSERVED, specs.WATCH_EXPECTED)


class Metrics:
    """All metrics of a process. One per registry; a second one on the same registry is a ValueError."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._desks: set[str] = set()
        self._sources: dict[str, set[str]] = {}
        self._comments = counter(specs.COMMENTS, registry)
        self._claims = counter(specs.CLAIMS, registry)
        self._rejected = counter(specs.COMMENTS_REJECTED, registry)
        self._malformed = gauge(specs.COMMENTS_MALFORMED, registry)
        self._broken_stream = gauge(specs.BROKEN_STREAM, registry)
        self._withdrawn = counter(specs.COMMENTS_WITHDRAWN, registry)
        self._duplicates = counter(specs.COMMENTS_DUPLICATE, registry)
        self._dates_refused = counter(specs.DATES_REFUSED, registry)
        self._embed = histogram(specs.EMBED, registry)
        self._embed_batch = histogram(specs.EMBED_BATCH, registry)
        self._queue = gauge(specs.QUEUE, registry)
        self._lag = gauge(specs.CONSUMER_LAG, registry)
        self._narratives = gauge(specs.NARRATIVES, registry)
        self._mentions = counter(specs.MENTIONS, registry)
        self._source_last = gauge(specs.SOURCE_LAST_COMMENT, registry)
        self._events = counter(specs.EVENTS, registry)
        self._watch_matches = counter(specs.WATCH_MATCHES, registry)
        self._watches = gauge(specs.WATCHES, registry)
        self._watch_names: frozenset[str] = frozenset()
        self._label_refinements = counter(specs.LABEL_REFINEMENTS, registry)
        self._delay = histogram(specs.COMMENT_TO_METRIC, registry)
        self._build = gauge(specs.BUILD, registry)
        self._model = gauge(specs.MODEL, registry)
        self._ready = gauge(specs.WORKER_READY, registry)
        self.of_narratives = {spec: gauge(spec, registry) for spec in _OF_NARRATIVES}
        self.of_watches = {spec: gauge(spec, registry) for spec in _OF_WATCHES}
        self.narrative_info = gauge(specs.NARRATIVE, registry)
        for reason in RejectReason:
            # A counter must be there at 0 before it counts, or its first increase is not seen by rate().
            self._rejected.labels(reason=reason.value)
        for cause in ("edited", "deleted"):
            self._withdrawn.labels(cause=cause)
        for outcome in RefinementOutcome:
            self._label_refinements.labels(outcome=outcome.value)

    def desk(self, name: str) -> str:
        """The label value for a desk: its name, or OTHER_DESK when there are too many."""
        if name not in self._desks:
            if len(self._desks) >= MAX_DESKS:
                return OTHER_DESK
            self._desks.add(name)
            for event_type in (*EventType, CAMPAIGN):  # at 0 first, see above
                self._events.labels(desk=name, type=str(event_type))
        return name

    def source(self, desk: str, name: str) -> str:
        """The label value for a source of a desk: its name, or OTHER when there are too many."""
        known = self._sources.setdefault(self.desk(desk), set())
        if name not in known:
            if len(known) >= MAX_SOURCES:
                return OTHER
            known.add(name)
        return name

    def comment(self, desk: str, claims: int) -> None:
        """A comment was accepted for the first time; claims: how many it makes."""
        self._comments.labels(desk=self.desk(desk)).inc()
        self._claims.labels(desk=self.desk(desk)).inc(claims)

    def mention(self, desk: str, *, language: str, source: str, stance: str) -> None:
        """A comment makes a narrative. stance: supports, rebuts or unjudged."""
        self._mentions.labels(
            desk=self.desk(desk),
            language=language if language in _LANGUAGES else OTHER,
            source=self.source(desk, source),
            stance=stance,
        ).inc()

    def source_heard(self, desk: str, source: str, arrival_seconds: float) -> None:
        """A new comment of a source arrived then, in seconds since 1970."""
        shown = self._source_last.labels(desk=self.desk(desk), source=self.source(desk, source))
        shown.set(arrival_seconds)

    def withdrawn(self, *, edited: int, deleted: int) -> None:
        """So many comments said something else before, or are gone."""
        self._withdrawn.labels(cause="edited").inc(edited)
        self._withdrawn.labels(cause="deleted").inc(deleted)

    def rejected(self, reason: RejectReason) -> None:
        """A comment was put aside."""
        self._rejected.labels(reason=reason.value).inc()

    def malformed(self, share: float) -> None:
        """This share (0 to 1) of the last comments was refused for its format."""
        self._malformed.set(share)

    def broken_stream(self, progress: float) -> None:
        """So near (0 to 1) the worker is to stopping because the stream is broken."""
        self._broken_stream.set(progress)

    def duplicate(self) -> None:
        """A comment came again."""
        self._duplicates.inc()

    def dates_refused(self, comments: int) -> None:
        """So many comments were taken without their date."""
        self._dates_refused.inc(comments)

    def embedded(self, seconds: float, texts: int) -> None:
        """A batch of texts was embedded."""
        self._embed.observe(seconds)
        self._embed_batch.observe(texts)

    def queue(self, claims: int) -> None:
        """So many claims wait in this worker."""
        self._queue.set(claims)

    def lag(self, topic: str, partition: int, records: int) -> None:
        """So many records of a partition are still to be processed."""
        self._lag.labels(topic=topic, partition=str(partition)).set(records)

    def forget_lag(self, topic: str, partition: int) -> None:
        """The partition belongs to another worker now."""
        self._lag.remove_by_labels({"topic": topic, "partition": str(partition)})

    def narratives(self, desk: str, by_state: Mapping[str, int]) -> None:
        """How many narratives a desk has in each state; name every state, those with 0 too."""
        for state, count in by_state.items():
            self._narratives.labels(desk=self.desk(desk), state=state).set(count)

    def forget_desk(self, desk: str) -> None:
        """The desk belongs to another worker now: its gauges must not be shown twice. Counters stay."""
        self._narratives.remove_by_labels({"desk": desk})
        self._source_last.remove_by_labels({"desk": desk})

    def event(self, desk: str, event_type: str) -> None:
        """Something happened in the life of a narrative."""
        self._events.labels(desk=self.desk(desk), type=event_type).inc()

    def watch(self, desk: str, watch: str) -> None:
        """A desk has this watch: its counter is there before it counts."""
        self._watch_matches.labels(desk=self.desk(desk), watch=watch)

    def watch_match(self, desk: str, watch: str) -> None:
        """A claim matches a watch."""
        self._watch_matches.labels(desk=self.desk(desk), watch=watch).inc()

    def watches(self, names: Collection[str]) -> None:
        """These are looked for now; the series of others go."""
        self._watches.set(len(names))
        for gone in self._watch_names.difference(names):
            self._watch_matches.remove_by_labels({"watch": gone})
        self._watch_names = frozenset(names)

    def label_refinement(self, outcome: RefinementOutcome) -> None:
        """A label was refined, or could not be."""
        self._label_refinements.labels(outcome=outcome.value).inc()

    def delay(self, seconds: float) -> None:
        """A comment that arrived so long ago has just been counted."""
        self._delay.observe(max(0.0, seconds))  # clocks of broker and worker differ

    def follow_readiness(self, is_ready: Callable[[], bool]) -> None:
        """Ask this, from any thread, whenever metrics are read: a worker that hangs sets no gauge."""
        self._ready.set_function(lambda: float(is_ready()))

    def build(self, version: str) -> None:
        """Which version runs."""
        self._build.labels(version=version).set(1)

    def model(self, name: str, origin: str) -> None:
        """Which model runs, and where it comes from: "hub", "folder" or "packaged"."""
        self._model.clear()
        self._model.labels(model=name, origin=origin).set(1)
