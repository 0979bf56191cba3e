"""How much is said at a desk, and when: what a narrative's mentions are to be expected in proportion to.

Time is measured in ordinary hours: an hour in which as many comments come as in the mean hour of the desk. A
Monday morning has more of them than a Sunday night (a profile of the hours of the week, learned and shrunken
to that of the day and to a flat one), and a day on which all talk has more than others: share of voice.
"""

import math

import msgspec
import numpy as np
from numpy.typing import NDArray

__all__ = ["BINS_PER_HOUR", "BIN_MS", "RECENT_HOURS", "Volume", "VolumeState"]

BIN_MS = 300_000
BINS_PER_HOUR = 12
HOUR_MS = BIN_MS * BINS_PER_HOUR
RECENT_HOURS = 30  # of which five-minute bins are known
REMEMBERED_HOURS = (
    14 * 24
)  # whose length in ordinary hours is known; narratives idle for longer are forgotten

_RING_BINS = (RECENT_HOURS + 2) * BINS_PER_HOUR
_WEEK = 168
_KEPT_A_WEEK = 0.8  # the profile forgets: five weeks count
# With how many hours of what is more general a profile begins: each hour of the day with some of the desk's
# mean, each day of the week with some of a day like the others, each hour of the week with their product.
_SHRINK_HOUR = 2.0
_SHRINK_DAY = 12.0
_SHRINK_WEEK = 4.0
_FIRST_RATE, _FIRST_HOURS = 20.0, 1.0  # comments an hour, and how many hours of them a new desk begins with
# Comments that have to be in excess before a window counts as busier than its hour of the week, and at most
# by how much: one story that fills a desk does not make all others more frequent.
_DOUBT_COMMENTS = 20.0
_BUSIEST = 4.0

Floats = NDArray[np.float64]


class VolumeState(msgspec.Struct, frozen=True):
    """Everything that a volume knows, little endian."""

    recent: bytes
    newest_bin: int
    profiled_hour: int
    counts: bytes
    hours: bytes
    lengths: bytes


class Volume:
    """Comments of a desk over event time. Times are epoch ms."""

    def __init__(self) -> None:
        self._recent = np.zeros(_RING_BINS, dtype=np.int64)
        self._newest = -1  # bin; -1 before the first comment
        self._profiled = -1  # the first hour that is not in the profile yet
        self._counts: Floats = np.zeros(_WEEK)
        self._hours: Floats = np.zeros(_WEEK)
        self._lengths: Floats = np.ones(REMEMBERED_HOURS)  # of past hours, a ring by hour
        self._refresh()

    def count(self, at_ms: int, comments: int = 1) -> None:
        """Comments of that time; later than `advance` was told they move the time on."""
        self.advance(at_ms)
        place = at_ms // BIN_MS
        if place > self._newest - _RING_BINS:
            self._recent[place % _RING_BINS] += comments

    def advance(self, now_ms: int) -> None:
        """It is so late now; an earlier time changes nothing."""
        now = now_ms // BIN_MS
        if self._newest < 0:
            self._newest = now
            self._profiled = now // BINS_PER_HOUR
        if now <= self._newest:
            return
        while self._profiled < now // BINS_PER_HOUR - 1:  # an hour late, so that late comments count
            self._profiled = max(
                self._profiled, now // BINS_PER_HOUR - REMEMBERED_HOURS
            )  # nobody was listening
            self._open(min(now, (self._profiled + 2) * BINS_PER_HOUR))
            self._profile(self._profiled)
        self._open(now)

    def length(self, start_ms: int, end_ms: int, own: int = 0) -> float:
        """Ordinary hours between two times, of which the first is at most `RECENT_HOURS` ago.

        own: comments of the series itself, which do not make a time busier for it.
        """
        usual = self._usual(end_ms) - self._usual(start_ms)
        first, last = start_ms // BIN_MS, min((end_ms - 1) // BIN_MS, self._newest)
        heard = self._sum(first, last + 1) - own
        busier = (heard + _DOUBT_COMMENTS) / (usual + _DOUBT_COMMENTS)
        return usual / self._level * min(max(busier, 1.0), _BUSIEST)

    def hour(self, hour: int) -> float:
        """The ordinary hours in an epoch hour that is over; 1 for one that is not remembered."""
        if hour >= self._profiled:
            return self.length(hour * HOUR_MS, (hour + 1) * HOUR_MS)
        if hour < self._profiled - REMEMBERED_HOURS:
            return 1.0
        return float(self._lengths[hour % REMEMBERED_HOURS])

    def state(self) -> VolumeState:
        """Everything, to be given to `load`."""
        return VolumeState(
            recent=self._recent.astype("<i4").tobytes(),
            newest_bin=self._newest,
            profiled_hour=self._profiled,
            counts=self._counts.astype("<f8").tobytes(),
            hours=self._hours.astype("<f8").tobytes(),
            lengths=self._lengths.astype("<f8").tobytes(),
        )

    def load(self, state: VolumeState) -> None:
        """Take over what `state` returned.  Raises ValueError for anything else."""
        recent = np.frombuffer(state.recent, dtype="<i4").astype(np.int64)
        counts, hours = _floats(state.counts), _floats(state.hours)
        lengths = _floats(state.lengths)
        if [len(recent), len(counts), len(hours), len(lengths)] != [
            _RING_BINS,
            _WEEK,
            _WEEK,
            REMEMBERED_HOURS,
        ]:
            raise ValueError("a volume of other lengths")
        self._recent, self._newest, self._profiled = recent, state.newest_bin, state.profiled_hour
        self._counts, self._hours, self._lengths = counts, hours, lengths
        self._refresh()

    def _open(self, now: int) -> None:
        """Make room for the bins up to this one."""
        new = min(now - self._newest, _RING_BINS)
        for place in range(now - new + 1, now + 1):
            self._recent[place % _RING_BINS] = 0
        self._newest = max(self._newest, now)

    def _sum(self, start: int, end: int) -> int:
        """Comments in bins from the first to before the second."""
        first, last = max(start, self._newest - _RING_BINS + 1), end
        if first >= last:
            return 0
        one, other = first % _RING_BINS, last % _RING_BINS
        if last - first >= _RING_BINS:
            return int(self._recent.sum())
        if one < other:
            return int(self._recent[one:other].sum())
        return int(self._recent[one:].sum() + self._recent[:other].sum())

    def _profile(self, hour: int) -> None:
        """An hour is over: its length is known, and so is a little more of the week."""
        start, place = hour * BINS_PER_HOUR, hour % _WEEK
        self._lengths[hour % REMEMBERED_HOURS] = self.length(hour * HOUR_MS, (hour + 1) * HOUR_MS)
        self._counts[place] = _KEPT_A_WEEK * self._counts[place] + self._sum(start, start + BINS_PER_HOUR)
        self._hours[place] = _KEPT_A_WEEK * self._hours[place] + 1.0
        self._profiled = hour + 1
        self._refresh()

    def _refresh(self) -> None:
        """The comments to be expected in each hour of the week, and their running sum.

        An hour of the week begins as the product of what its day and its hour of the day are like.
        """
        counts, hours = self._counts.reshape(7, 24), self._hours.reshape(7, 24)
        all_counts = counts.sum() + _FIRST_RATE * _FIRST_HOURS
        self._level = float(all_counts / (hours.sum() + _FIRST_HOURS))
        hour = _shrunken(counts.sum(axis=0), hours.sum(axis=0), self._level, _SHRINK_HOUR)
        # By what the hours of each day that have been heard are usually like: the first day is no full one.
        day = _shrunken(counts.sum(axis=1), (hours * hour).sum(axis=1), 1.0, _SHRINK_DAY * self._level)
        week = _shrunken(counts, hours, day[:, None] * hour, _SHRINK_WEEK).ravel()
        self._week: list[float] = week.tolist()
        self._before: list[float] = [0.0, *np.cumsum(week).tolist()]

    def _usual(self, at_ms: int) -> float:
        """Comments to be expected from a fixed time to this one."""
        hours = at_ms / HOUR_MS
        whole = math.floor(hours)
        place = whole % _WEEK
        weeks = (whole - place) // _WEEK
        return float(weeks * self._before[_WEEK] + self._before[place] + (hours - whole) * self._week[place])


def _shrunken(counts: Floats, hours: Floats, usual: float | Floats, weight: float) -> Floats:
    return np.asarray((counts + weight * usual) / (hours + weight))


def _floats(raw: bytes) -> Floats:
    return np.frombuffer(raw, dtype="<f8").copy()
