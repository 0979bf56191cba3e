"""Whether a series of mentions is unusual now: fair to the rare and the frequent, the new and the old.

What is to be expected in a window is a Gamma-Poisson prediction: a rate that begins at what is usual among
narratives and follows the series' own past, times how much was said at the desk (see `models.volume`). The
past ends some time before the window, so that a burst is not measured by itself. Four windows and a CUSUM for
slow rises are looked at again with each mention; each is corrected for how often it gets the chance to be
wrong, so that one figure holds for all: the chance that a calm series shows as much within a quarter of an
hour. At 4 decades, a hundred calm series give one false alarm a day.
"""

import math
from typing import NamedTuple

import msgspec
import numpy as np

from models.negative_binomial import log_ratio, surprise
from models.pulse import KEPT_AN_HOUR, Pulse
from models.readings import WINDOWS, Reading, WindowReading
from models.volume import BIN_MS, BINS_PER_HOUR, HOUR_MS, RECENT_HOURS, REMEMBERED_HOURS, Volume

__all__ = ["SpikeParameters", "notice", "read", "settle_past", "tell"]

JUDGED_AFTER_HOURS = 2  # so that a burst is not measured by itself, and what is found late counts
_LN10 = math.log(10.0)
_BINS = {name: seconds * 1000 // BIN_MS for name, seconds in WINDOWS.items()}
_LENGTHS = tuple(_BINS.values())


class SpikeParameters(msgspec.Struct, frozen=True, kw_only=True):
    """What spikes are decided by; fitted as docs/spikes.md says."""

    surprise: float = 4.0  # decades from which a series spikes
    calm: float = 2.0  # decades below which it does not stir
    calm_hours: float = 6.0  # for so long, before another spike of it can be told
    min_authors: int = 3  # within the window, and at least the square root of its mentions
    # Mentions that a rate is worth before anything is known, and the mean of rates, in an ordinary hour.
    prior_mentions: float = 0.5
    prior_rate: float = 0.2
    # A newborn is mentioned as often as in the hour before it emerged, and so often besides; attention then
    # goes with the power -1.5 of age, counted from three hours.
    newborn_rate: float = 1.0
    newborn_hours: float = 3.0
    newborn_power: float = -1.5
    # Variance beyond Poisson, as a share of the mean within an hour: to begin with, and how many mentions
    # that is worth. In shorter and longer windows it goes with these powers of their length.
    excess: float = 0.3
    excess_mentions: float = 10.0
    excess_power_short: float = 0.5
    excess_power_long: float = 0.2
    least_excess: float = 0.02
    # What is known of the hours of a week may be wrong by so much (standard deviation, a share).
    season_doubt: float = 0.08
    # And a past of one ordinary hour may be wrong by so much (variance, a share), a longer one by less.
    young_doubt: float = 0.5
    # Hours between the past and each window.
    guard_hours: tuple[float, float, float, float] = (1.0, 1.0, 6.0, 6.0)
    # Decades that each window's chance is worth within a quarter of an hour, and those of the CUSUM.
    corrections: tuple[float, float, float, float] = (-0.9, -0.6, 0.0, 0.5)
    cusum_correction: float = 0.5
    cusum_factor: float = 2.0
    cusum_mentions: float = (
        20.0  # of the past, in so many ordinary hours: what is known less well has no CUSUM
    )
    cusum_hours: float = 48.0
    # A past hour counts at most this many standard deviations above what was expected, and two mentions:
    # an old burst must not hide the next.
    most_deviations: float = 3.0


class _Past(NamedTuple):
    mentions: float
    hours: float  # ordinary


def read(
    pulse: Pulse, volume: Volume, parameters: SpikeParameters, *, now_ms: int, since_ms: int = 0
) -> Reading:
    """How unusual a series is at a time at or after its latest mention. Changes nothing.

    since_ms: mentions until then do not count (they were told of already).
    """
    moment = _Moment(pulse, volume, parameters, now_ms=now_ms, since_ms=since_ms)
    windows = [moment.window(place) for place in range(len(_BINS))]
    decades = surprise(
        [one.counted for one in windows], [one.mean for one in windows], [one.shape for one in windows]
    )
    decades = np.maximum(decades + np.array(parameters.corrections), 0.0)
    shown = tuple(
        WindowReading(name, one.counted + one.expected_already, one.mean + one.expected_already, value)
        for name, one, value in zip(_BINS, windows, decades.tolist(), strict=True)
    )
    return Reading(max(*decades.tolist(), moment.slow_rise()), shown)


class _Window(NamedTuple):
    """counted: mentions that may surprise; expected_already: those that do not."""

    counted: int
    expected_already: int
    mean: float
    shape: float


class _Moment:
    """A series at one time."""

    def __init__(
        self,
        pulse: Pulse,
        volume: Volume,
        parameters: SpikeParameters,
        *,
        now_ms: int,
        since_ms: int = 0,
    ) -> None:
        self._pulse, self._volume, self._parameters = pulse, volume, parameters
        self._recent, self._before = pulse.recent(), pulse.before()
        self._born_ms, self._now_ms = pulse.born_ms, now_ms
        self._end = now_ms // BIN_MS + 1
        self._fresh = since_ms // BIN_MS + 1  # bin
        self._excess = _excess(pulse, parameters)

    def window(self, place: int) -> _Window:
        """A window by its place in the order of lengths."""
        parameters = self._parameters
        length = _LENGTHS[place]
        start = self._end - 1 - length
        # What was told of does not count again, and neither does the time until then; but a window of no
        # length would find everything surprising.
        first = max(start, min(self._fresh, self._end - 1 - _LENGTHS[0]))
        counted = self._recent.between(max(start, self._fresh), self._end)
        already = self._recent.between(start, max(start, self._fresh)) + self._before.between(
            start, self._end
        )
        past = self._past(start - int(parameters.guard_hours[place] * BINS_PER_HOUR))
        hours = self._volume.length(first * BIN_MS, self._now_ms + 1, own=counted)
        mean = _rate(past, self._prior_rate(first * BIN_MS), parameters) * hours
        power = parameters.excess_power_short if length < BINS_PER_HOUR else parameters.excess_power_long
        spread = self._excess * (length / BINS_PER_HOUR) ** power
        doubt = (1.0 + self._excess) / (parameters.prior_mentions + past.mentions)
        doubt += parameters.season_doubt**2 + parameters.young_doubt / (1.0 + past.hours)
        return _Window(counted, already, mean, 1.0 / (doubt + spread / mean))

    def slow_rise(self) -> float:
        """Decades of the CUSUM as it stands now."""
        pulse, now = self._pulse, self._now_ms // HOUR_MS
        if not self._has_cusum():
            return 0.0
        evidence = pulse.cusum
        for hour in range(max(pulse.judged_until, now - RECENT_HOURS), now):
            evidence = self._evidence(evidence, self._count(hour), self._volume.hour(hour))
        count = self._count(now)
        length = self._volume.length(now * HOUR_MS, self._now_ms + 1, own=count)
        evidence = self._evidence(evidence, count, length)
        decades = evidence / _LN10 + self._parameters.cusum_correction
        return max(0.0, decades)

    def judge(self, hour: int) -> None:
        """Take an hour that is over into the CUSUM and the excess."""
        pulse, parameters = self._pulse, self._parameters
        count, hours = self._count(hour), self._volume.hour(hour)
        if self._has_cusum():
            pulse.cusum = self._evidence(pulse.cusum, count, hours)
        if (hour * HOUR_MS - self._born_ms) / HOUR_MS < parameters.newborn_hours:
            return
        past = self._past(hour * BINS_PER_HOUR)
        mean = _rate(past, self._prior_rate(hour * HOUR_MS), parameters) * hours
        kept = min(count, _most(mean, _excess(pulse, parameters), parameters))
        pulse.excess = KEPT_AN_HOUR * pulse.excess + (kept - mean) ** 2 - kept
        pulse.excess_mentions = KEPT_AN_HOUR * pulse.excess_mentions + kept

    def _has_cusum(self) -> bool:
        pulse, parameters = self._pulse, self._parameters
        return pulse.past_mentions >= parameters.cusum_mentions and pulse.past_hours >= parameters.cusum_hours

    def _evidence(self, evidence: float, count: int, hours: float) -> float:
        """The CUSUM after another hour, or the part of it that has gone by."""
        past = _Past(self._pulse.past_mentions, self._pulse.past_hours)
        mean = _rate(past, self._parameters.prior_rate, self._parameters) * hours
        step = log_ratio(count, mean, mean / self._excess, self._parameters.cusum_factor)
        return max(0.0, evidence + step)

    def _count(self, hour: int) -> int:
        return self._recent.between(hour * BINS_PER_HOUR, (hour + 1) * BINS_PER_HOUR)

    def _past(self, end: int) -> _Past:
        """What is known before a bin, beside the series' first hour, which is not like the others."""
        pulse = self._pulse
        start = max(pulse.past_until, self._born_ms // HOUR_MS + 1) * BINS_PER_HOUR
        if end <= start:
            return _Past(pulse.past_mentions, pulse.past_hours)
        hours = self._volume.length(start * BIN_MS, end * BIN_MS)
        return _Past(pulse.past_mentions + self._recent.between(start, end), pulse.past_hours + hours)

    def _prior_rate(self, start_ms: int) -> float:
        """Mentions in an ordinary hour of a window that begins then, if nothing else is known."""
        parameters, birth = self._parameters, self._born_ms // BIN_MS
        at_birth = parameters.newborn_rate + max(
            self._before.between(birth - length, birth + 1) * BINS_PER_HOUR / length for length in _LENGTHS
        )
        age = max(0, start_ms - self._born_ms) / HOUR_MS
        attention = math.pow(1.0 + age / parameters.newborn_hours, parameters.newborn_power)
        return max(parameters.prior_rate, at_birth * attention)


def settle_past(pulse: Pulse, volume: Volume, parameters: SpikeParameters, *, now_ms: int) -> None:
    """Judge the hours that are over, and let what is older than `RECENT_HOURS` go into the past.

    To be called with event time only: when it is called decides what a mention that is found late changes.
    """
    now, born = now_ms // HOUR_MS, pulse.born_ms // HOUR_MS + 1
    if not pulse.judged_until:
        pulse.judged_until = pulse.past_until = max(born, now - RECENT_HOURS)
    if pulse.judged_until < now - JUDGED_AFTER_HOURS:
        moment = _Moment(pulse, volume, parameters, now_ms=now_ms)
        for hour in range(max(pulse.judged_until, now - RECENT_HOURS), now - JUDGED_AFTER_HOURS):
            moment.judge(hour)
        pulse.judged_until = now - JUDGED_AFTER_HOURS
    until = now - RECENT_HOURS
    if pulse.past_until < until:
        _settle(pulse, volume, parameters, born=born, until=until)


def _settle(pulse: Pulse, volume: Volume, parameters: SpikeParameters, *, born: int, until: int) -> None:
    if pulse.past_until < until - REMEMBERED_HOURS:  # of what was before nothing is left
        pulse.past_mentions = pulse.past_hours = pulse.excess = pulse.excess_mentions = 0.0
        pulse.past_until = until - REMEMBERED_HOURS
    counts: dict[int, int] = {}
    for place in [place for place in pulse.bins if place < until * BINS_PER_HOUR]:
        hour = place // BINS_PER_HOUR
        counts[hour] = counts.get(hour, 0) + pulse.bins.pop(place)
    for hour in range(max(pulse.past_until, born), until):
        hours = volume.hour(hour)
        mean = _rate(_Past(pulse.past_mentions, pulse.past_hours), parameters.prior_rate, parameters) * hours
        most = _most(mean, _excess(pulse, parameters), parameters)
        pulse.past_mentions = KEPT_AN_HOUR * pulse.past_mentions + min(counts.get(hour, 0), most)
        pulse.past_hours = KEPT_AN_HOUR * pulse.past_hours + hours
    pulse.past_until = until
    if born < until:
        pulse.early = {}


def _rate(past: _Past, prior: float, parameters: SpikeParameters) -> float:
    """Mentions in an ordinary hour."""
    weight = parameters.prior_mentions
    return (weight + past.mentions) / (weight / prior + past.hours)


def _excess(pulse: Pulse, parameters: SpikeParameters) -> float:
    weight = parameters.excess_mentions
    found = (weight * parameters.excess + pulse.excess) / (weight + pulse.excess_mentions)
    return max(found, parameters.least_excess)


def _most(mean: float, excess: float, parameters: SpikeParameters) -> float:
    """As much as one hour of the past may count."""
    return mean + parameters.most_deviations * math.sqrt(mean * (1.0 + excess)) + 2.0


def notice(pulse: Pulse, volume: Volume, parameters: SpikeParameters, *, now_ms: int) -> Reading | None:
    """A series was mentioned just now: its reading if it spikes, None if it does not, or did already.

    To be called with event time. A spike is over when the series has been calm for some hours; what came
    until then is not told of again. Who finds the spike convincing calls `tell`.
    """
    settle_past(pulse, volume, parameters, now_ms=now_ms)
    if pulse.spiking_ms and now_ms - pulse.stirred_ms >= parameters.calm_hours * HOUR_MS:
        pulse.told_ms, pulse.spiking_ms, pulse.cusum = pulse.stirred_ms, 0, 0.0
    reading = read(pulse, volume, parameters, now_ms=now_ms, since_ms=pulse.told_ms)
    if not pulse.spiking_ms:
        return reading if reading.surprise >= parameters.surprise else None
    if max(one.surprise for one in reading.windows[:3]) >= parameters.calm:  # a day is long to remember
        pulse.stirred_ms = now_ms
    return None


def tell(pulse: Pulse, now_ms: int) -> None:
    """The spike was told of."""
    pulse.spiking_ms = pulse.stirred_ms = now_ms
