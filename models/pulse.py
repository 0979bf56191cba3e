"""The mentions of one series over time: a narrative's, or the matches of a watch.

Recent ones are counted in bins of five minutes, older ones are a sum that forgets. A mention that is found
late counts at its own time, and can be taken back there. What is done with the counts is in `models.spikes`.
"""

from bisect import bisect_left
from collections.abc import Mapping
from itertools import accumulate

import msgspec

from models.volume import BIN_MS, BINS_PER_HOUR

__all__ = ["KEPT_AN_HOUR", "Bins", "Pulse"]

KEPT_AN_HOUR = 0.5 ** (1 / 120)  # half of the past is forgotten in five days: a week counts


class Bins:
    """Counts by bin (since the epoch), for sums of many stretches."""

    def __init__(self, bins: Mapping[int, int]) -> None:
        self._places = sorted(bins)
        self._sums = [0, *accumulate(bins[place] for place in self._places)]

    def between(self, first: int, last: int) -> int:
        """Mentions in bins from the first to before the last."""
        if not self._places or last <= first:
            return 0
        return self._sums[bisect_left(self._places, last)] - self._sums[bisect_left(self._places, first)]


class Pulse(msgspec.Struct):
    """Counts of one series. Hours are numbered since the epoch, so are bins.

    born_ms: when the series began; early: bins of mentions from before that, which are no growth; bins: of
    the others, as far as they are recent (`RECENT_HOURS`).
    past_mentions, past_hours: of all before, in ordinary hours (see `models.volume`), fading; past_until: the
    first hour that is not in them.
    excess: squared deviations of hours beyond those of a Poisson variable, excess_usual: as much as is usual
    among series, both fading; judged_until: the first hour not in these.
    told_ms: mentions until then have been told of; spiking_ms: when a spike was told that is not over, 0
    without; stirred_ms: when it was last unusual.
    """

    born_ms: int = 0
    bins: dict[int, int] = {}
    early: dict[int, int] = {}
    past_mentions: float = 0.0
    past_hours: float = 0.0
    past_until: int = 0
    excess: float = 0.0
    excess_usual: float = 0.0
    judged_until: int = 0
    told_ms: int = 0
    spiking_ms: int = 0
    stirred_ms: int = 0

    def add(self, at_ms: int) -> None:
        """A mention of that time (epoch ms)."""
        self._change(at_ms, 1)

    def take_back(self, at_ms: int) -> None:
        """A mention of that time does not count any more; one that was never added changes nothing."""
        self._change(at_ms, -1)

    def recent(self) -> Bins:
        """What the bins hold, without what was early."""
        return Bins(self.bins)

    def before(self) -> Bins:
        """What came before the series began."""
        return Bins(self.early)

    def _change(self, at_ms: int, step: int) -> None:
        place = at_ms // BIN_MS
        hour = place // BINS_PER_HOUR
        if at_ms <= self.born_ms:
            _step(self.early, place, step)
        elif hour >= self.past_until:
            _step(self.bins, place, step)
        else:
            weight = KEPT_AN_HOUR ** (self.past_until - 1 - hour)
            self.past_mentions = max(0.0, self.past_mentions + step * weight)


def _step(bins: dict[int, int], place: int, step: int) -> None:
    count = bins.get(place, 0) + step
    if count > 0:
        bins[place] = count
    else:
        bins.pop(place, None)
