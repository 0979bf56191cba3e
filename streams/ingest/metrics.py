"""The metrics of `narrawatch ingest`, bound to a registry. `streams.metric_specs` is the table."""

from collections.abc import Iterable

from prometheus_client import CollectorRegistry

from streams import metric_specs as specs
from streams.errors import FailureReason
from streams.metric_families import counter, gauge
from streams.polite.gate import WaitCause

__all__ = ["IngestMetrics", "SourceMetrics"]


class IngestMetrics:
    """The families; `of` gives the series of one source."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.info = gauge(specs.INGEST_SOURCE, registry)
        self.comments = counter(specs.INGEST_COMMENTS, registry)
        self.failures = counter(specs.INGEST_FAILURES, registry)
        self.requests = counter(specs.INGEST_REQUESTS, registry)
        self.waiting = counter(specs.INGEST_WAITING, registry)
        self.newest = gauge(specs.INGEST_NEWEST, registry)
        self.last_poll = gauge(specs.INGEST_LAST_POLL, registry)

    def of(self, desk: str, source: str, *, kind: str, now: float) -> "SourceMetrics":
        """The series of one source, of which the counters begin at 0. now: seconds since 1970."""
        self.info.labels(desk=desk, source=source, kind=kind).set(1)
        return SourceMetrics(self, desk, source, now)


class SourceMetrics:
    """What happens to one source. An `Observer` of its HTTP client, too."""

    def __init__(self, families: IngestMetrics, desk: str, source: str, now: float) -> None:
        self._families = families
        self._labels = {"desk": desk, "source": source}
        self._comments = families.comments.labels(**self._labels)
        for reason in FailureReason:
            families.failures.labels(**self._labels, reason=reason.value)
        for cause in WaitCause:
            families.waiting.labels(**self._labels, cause=cause.value)
        self._newest = 0.0
        self._last_poll = families.last_poll.labels(**self._labels)
        self._last_poll.set(now)

    def delivered(self, comments: int, dates: Iterable[float] = (), *, now: float) -> None:
        """The broker has acknowledged so many comments. dates: theirs; now: all in seconds since 1970."""
        self._comments.inc(comments)
        # A date that lies ahead is wrong or forged, and would be the newest for long.
        newest = max((date for date in dates if date <= now), default=0.0)
        if newest > self._newest:
            self._newest = newest
            self._families.newest.labels(**self._labels).set(newest)

    def polled(self, now: float) -> None:
        """It was read without a failure. now: seconds since 1970."""
        self._last_poll.set(now)

    def failed(self, reason: FailureReason) -> None:
        """It could not be read."""
        self._families.failures.labels(**self._labels, reason=reason.value).inc()

    def answered(self, status: int) -> None:
        """See `streams.polite.client.Observer`."""
        self._families.requests.labels(**self._labels, status=f"{status // 100}xx").inc()

    def waited(self, cause: WaitCause, seconds: float) -> None:
        """See `streams.polite.client.Observer`."""
        self._families.waiting.labels(**self._labels, cause=cause.value).inc(max(0.0, seconds))
