"""Tells a broken stream from one that strangers write into, and stops the worker at the first.

Problem: a producer that was rolled out with a fault sends nothing but garbage. Each record is put aside as it
should be, and by the time that somebody looks, days of comments are dead letters. But bad records alone are
no reason to stop: whoever can write to the topic could stop the worker with a handful of them.

So the rule asks three things at once:

- *For their format.* Only reasons that the writing program is to blame for count: not UTF-8, not JSON, not a
  comment, an id or a date that is none. Those who write comments cannot bring these about, since a program
  encodes what they wrote; what they can do (an empty text, a huge one) never stops anything.
- *Nearly all.* At least `broken_stream_share` of the last 1,000 records. Half hostile records between good
  ones are never so many: with every second one bad the chance of 900 in 1,000 is nil, and where a tenth of
  the stream is still good somebody still profits from the worker.
- *For long.* That many, without a pause, for `broken_stream_records` records, or for `broken_stream_seconds`
  between their arrivals at the broker (a slow stream is not to take weeks). A burst of ten thousand bad
  records in one piece is survived by default: it is neither 20,000 nor does it take a quarter of an hour.
  Arrival and not the worker's own clock: the same backlog gives the same decision, however fast it is read.

What it then costs is bounded, too: what was put aside so far is with its bytes in the dead letters, and the
places in the stream are not moved past the batch in which it stops.
"""

from collections import Counter, deque
from typing import NamedTuple

from streams.errors import BrokenStreamError, RejectReason
from streams.metrics import Metrics
from streams.settings_fields import Settings

__all__ = ["FORMAT_REASONS", "WINDOW_RECORDS", "BrokenStreamGuard"]

FORMAT_REASONS = frozenset(
    {
        RejectReason.INVALID_UTF8,
        RejectReason.INVALID_JSON,
        RejectReason.INVALID_RECORD,
        RejectReason.BAD_ID,
        RejectReason.BAD_DATE,
    }
)
WINDOW_RECORDS = 1_000


class _Seen(NamedTuple):
    topic: str
    partition: int
    offset: int
    arrival_ms: int
    reason: RejectReason | None  # None: not refused for its format

    @property
    def place(self) -> str:
        return f"{self.topic}[{self.partition}]@{self.offset}"


class _Run:
    """Records since the stream began to look broken."""

    def __init__(self) -> None:
        self.records = 0
        self.reasons: Counter[RejectReason] = Counter()
        self.first_place = ""
        self.milliseconds = 0
        # Partitions are read at their own pace: their arrivals are compared each with its own.
        self._first_arrivals: dict[int, int] = {}

    def add(self, seen: _Seen) -> None:
        self.records += 1
        if seen.reason is not None:
            self.reasons[seen.reason] += 1
            self.first_place = self.first_place or seen.place
        first = self._first_arrivals.setdefault(seen.partition, seen.arrival_ms)
        self.milliseconds = max(self.milliseconds, seen.arrival_ms - first)


class BrokenStreamGuard:
    """Is told of every record in the order in which they are judged. Not for several threads at once."""

    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        self._share = settings.broken_stream_share
        self._records = settings.broken_stream_records
        self._seconds = settings.broken_stream_seconds
        self._metrics = metrics
        self._window: deque[_Seen] = deque(maxlen=min(WINDOW_RECORDS, self._records) or WINDOW_RECORDS)
        self._bad = 0  # in the window
        self._run: _Run | None = None

    def saw(
        self, topic: str, partition: int, offset: int, *, arrival_ms: int, reason: RejectReason | None
    ) -> None:
        """A record was judged. reason: why it was refused, if it was; arrival_ms: at the broker, epoch ms.

        Raises BrokenStreamError when it is one too many.
        """
        seen = _Seen(topic, partition, offset, arrival_ms, reason if reason in FORMAT_REASONS else None)
        if len(self._window) == self._window.maxlen:
            self._bad -= self._window[0].reason is not None
        self._window.append(seen)
        self._bad += seen.reason is not None
        if not self._looks_broken:
            self._run = None
            return
        if self._run is None:
            self._run = _Run()
            for one in self._window:
                self._run.add(one)
        else:
            self._run.add(seen)
        if self._records and self._progress >= 1:
            raise BrokenStreamError(self._explained(self._run))

    def show(self) -> None:
        """Set the gauges."""
        self._metrics.malformed(self._bad / max(1, len(self._window)))
        self._metrics.broken_stream(self._progress if self._records else 0.0)

    @property
    def _looks_broken(self) -> bool:
        return len(self._window) == self._window.maxlen and self._bad >= self._share * len(self._window)

    @property
    def _progress(self) -> float:
        """How far it is to the end of patience: 0 for a sound stream, 1 there."""
        if self._run is None or not self._records:
            return 0.0
        by_time = self._run.milliseconds / (self._seconds * 1000)
        return min(1.0, max(self._run.records / self._records, by_time))

    def _explained(self, run: _Run) -> str:
        (most, count), refused = run.reasons.most_common(1)[0], run.reasons.total()
        return (
            f"the stream is broken: of the last {run.records} records {refused} were refused for their format"
            f" (mostly {most}: {count}), the first at {run.first_place}; stopped at {self._window[-1].place}."
            " Mend what writes them; narrawatch dead-letters list shows what was put aside. To go on"
            f" regardless, raise broken_stream_records ({self._records}) and broken_stream_seconds"
            f" ({self._seconds:g}), or set broken_stream_records to 0"
        )
