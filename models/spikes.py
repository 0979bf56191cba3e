"""Whether a series of mentions is unusual now: fair to the rare and the frequent, the new and the old.

What is to be expected in a window is a Gamma-Poisson prediction: a rate that begins at what is usual among
narratives and follows the series' own past, times how much was said at the desk (see `models.volume`). The
past ends some time before the window, so that a burst is not measured by itself. Four windows, and the
evidence of a slow rise (see `models.rises`), are looked at again with each mention; each is corrected for how
often it gets the chance to be wrong, so that one figure holds for all: the chance that a calm series shows as
much within a quarter of an hour. At 4 decades, a hundred calm series give one false alarm a day.
"""

import math
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.negative_binomial import surprise
from models.pulse import KEPT_AN_HOUR, Pulse
from models.readings import WINDOWS, Reading, WindowReading
from models.rises import evidence_of_rise
from models.spike_parameters import SpikeParameters
from models.volume import BIN_MS, BINS_PER_HOUR, HOUR_MS, RECENT_HOURS, REMEMBERED_HOURS, Volume

__all__ = ["notice", "read", "settle_past", "tell"]

JUDGED_AFTER_HOURS = 2  # so that a burst is not measured by itself, and what is found late counts
_LN10 = math.log(10.0)
_BINS = {name: seconds * 1000 // BIN_MS for name, seconds in WINDOWS.items()}
_LENGTHS = tuple(_BINS.values())
_QUARTERS = BINS_PER_HOUR / 4 / np.array(_LENGTHS)  # of an hour, as shares of the windows
# Within minutes comments beget one another: three at once are no spike of what nobody speaks of.
_LEAST_LOOKS = np.array([6.0, 1.0, 1.0, 1.0])

Floats = NDArray[np.float64]


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
    counted, mean = np.array([one.counted for one in windows]), np.array([one.mean for one in windows])
    shape = np.array([one.shape for one in windows])
    decades = surprise(counted, mean, shape) - _looks(counted, mean, shape)
    decades = np.maximum(decades, 0.0) * [one.is_known for one in windows]
    shown = tuple(
        WindowReading(name, one.counted + one.expected_already, one.mean + one.expected_already, value)
        for name, one, value in zip(_BINS, windows, decades.tolist(), strict=True)
    )
    stirs = max(shown[1].surprise, shown[2].surprise) >= parameters.rise_stirs
    return Reading(max(*decades.tolist(), moment.slow_rise() if stirs else 0.0), shown)


class _Stretch(NamedTuple):
    """Some time. hours: ordinary ones; busyness: how much more is said in them than usual."""

    hours: float
    busyness: float

    @classmethod
    def of(cls, volume: Volume, start_ms: int, end_ms: int, own: int = 0) -> "_Stretch":
        busyness = volume.busyness(start_ms, end_ms, own)
        return cls(volume.usual(start_ms, end_ms) * busyness, busyness)


def _looks(counted: Floats, mean: Floats, shape: Floats) -> Floats:
    """Decades that a window's chance is worth less, as it gets more than one in a quarter of an hour.

    A window that moves along meets a count so high so many times as often as one that stands still: the
    mentions above those that were to be expected leave it one by one (Aldous 1989, on clumps). If the count
    is high because the rate is, which is in doubt, so much more was to be expected, and it stays.
    """
    above = (counted - mean) * shape / (shape + mean)
    return np.asarray(np.log10(np.maximum(above * _QUARTERS, _LEAST_LOOKS)))


class _Window(NamedTuple):
    """counted: mentions that may surprise; expected_already: those that do not.

    is_known: whether the past is as long as the window, if that is a long one.
    """

    counted: int
    expected_already: int
    mean: float
    shape: float
    is_known: bool


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
        self._dispersion = _dispersion(pulse, parameters)

    def window(self, place: int) -> _Window:
        """A window by its place in the order of lengths."""
        parameters = self._parameters
        length = _LENGTHS[place]
        start = self._end - 1 - length
        # What was told of does not count again, and neither does the time until then, or before birth; but in
        # a window of no length everything would be surprising.
        begun = max(self._fresh, self._born_ms // BIN_MS)
        first = max(start, min(begun, self._end - 1 - BINS_PER_HOUR))
        counted = self._recent.between(max(start, self._fresh), self._end)
        already = self._recent.between(start, max(start, self._fresh)) + self._before.between(
            start, self._end
        )
        past = self._past(start - int(parameters.guard_hours[place] * BINS_PER_HOUR))
        stretch = _Stretch.of(self._volume, first * BIN_MS, self._now_ms + 1, own=counted)
        mean = _rate(past, self._prior_rate(first * BIN_MS), parameters) * stretch.hours
        hours = length / BINS_PER_HOUR
        power = parameters.excess_power_short if hours < 1 else parameters.excess_power_long
        excess = self._excess(mean / hours, past)
        spread = excess * hours**power
        if hours < 1:
            spread = max(spread, self._dispersion * parameters.excess_of_minutes)
        doubt = self._doubt(past, excess) + (parameters.busy_doubt * (stretch.busyness - 1.0)) ** 2
        shape = 1.0 / (doubt + spread / mean)
        return _Window(counted, already, mean, shape, hours <= max(1.0, past.hours))

    def slow_rise(self) -> float:
        """Decades of the evidence that more has been said for the last hours."""
        parameters, now = self._parameters, self._now_ms // HOUR_MS
        begun = max(self._fresh, self._born_ms // BIN_MS + 1)
        first = max(now - parameters.rise_hours, -(-begun // BINS_PER_HOUR))
        past = self._past(first * BINS_PER_HOUR - int(parameters.guard_hours[2] * BINS_PER_HOUR))
        if (
            first > now
            or past.mentions < parameters.rise_past_mentions
            or past.hours < parameters.rise_past_hours
        ):
            return 0.0
        hours = range(first, now + 1)
        counts = [self._count(hour) for hour in hours]
        stretches = [self._stretch(hour) for hour in hours[:-1]]
        stretches.append(_Stretch.of(self._volume, now * HOUR_MS, self._now_ms + 1, own=counts[-1]))
        rate = _rate(past, parameters.prior_rate, parameters)
        means = [rate * one.hours for one in stretches]
        evidence = evidence_of_rise(
            counts,
            means,
            [mean * self._excess(mean, past) for mean in means],
            [parameters.busy_doubt * (one.busyness - 1.0) for one in stretches],
            doubt=self._doubt(past, self._excess(rate, past)),
            factor=parameters.rise_factor,
        )
        return max(0.0, evidence / _LN10 + parameters.rise_correction)

    def judge(self, hour: int) -> None:
        """Take an hour that is over into the excess."""
        pulse, parameters = self._pulse, self._parameters
        if (hour * HOUR_MS - self._born_ms) / HOUR_MS < parameters.newborn_hours:
            return
        past = self._past(hour * BINS_PER_HOUR)
        rate = _rate(past, self._prior_rate(hour * HOUR_MS), parameters)
        mean = rate * self._stretch(hour).hours
        kept = min(self._count(hour), _most(mean, _excess(pulse, mean, parameters), parameters))
        pulse.excess = KEPT_AN_HOUR * pulse.excess + (kept - mean) ** 2 - kept
        pulse.excess_usual = KEPT_AN_HOUR * pulse.excess_usual + mean * _usual_excess(mean, parameters)

    def _excess(self, mean: float, past: _Past) -> float:
        parameters = self._parameters
        doubt = min(parameters.excess_doubt, parameters.excess_doubt_hours / (1.0 + past.hours))
        return self._dispersion * _usual_excess(mean, parameters) * (1.0 + doubt)

    def _doubt(self, past: _Past, excess: float) -> float:
        """Variance of the rate and of the season, as a share squared."""
        parameters = self._parameters
        evidence = parameters.prior_mentions + past.mentions
        young = min(1.0, parameters.young_doubt * math.pow(1.0 + past.hours, -1.5))
        return (1.0 + excess + young * past.mentions) / evidence + parameters.season_doubt**2

    def _stretch(self, hour: int) -> "_Stretch":
        return _Stretch.of(self._volume, hour * HOUR_MS, (hour + 1) * HOUR_MS)

    def _count(self, hour: int) -> int:
        return self._recent.between(hour * BINS_PER_HOUR, (hour + 1) * BINS_PER_HOUR)

    def _past(self, end: int) -> _Past:
        """What is known before a bin, beside the series' first hour, which is not like the others."""
        pulse = self._pulse
        start = max(pulse.past_until, self._born_ms // HOUR_MS + 1) * BINS_PER_HOUR
        if end <= start:
            return _Past(pulse.past_mentions, pulse.past_hours)
        hours = self._volume.usual(start * BIN_MS, end * BIN_MS)
        return _Past(pulse.past_mentions + self._recent.between(start, end), pulse.past_hours + hours)

    def _prior_rate(self, start_ms: int) -> float:
        """Mentions in an ordinary hour of a window that begins then, if nothing else is known."""
        parameters = self._parameters
        age = max(0, start_ms - self._born_ms) / HOUR_MS
        attention = math.pow(1.0 + age / parameters.newborn_hours, parameters.newborn_power)
        return max(parameters.prior_rate, self._at_birth * attention)

    @cached_property
    def _at_birth(self) -> float:
        """Mentions in an hour when the series began, by the window in which there were most."""
        birth = self._born_ms // BIN_MS
        found = [self._before.between(birth - length, birth + 1) / length for length in _LENGTHS]
        return self._parameters.newborn_rate + max(found) * BINS_PER_HOUR


def settle_past(pulse: Pulse, volume: Volume, parameters: SpikeParameters, *, now_ms: int) -> None:
    """Judge the hours that are over, and let what is older than `RECENT_HOURS` go into the past.

    To be called with event time only: when it is called decides what a mention that is found late changes.
    """
    now, born = now_ms // HOUR_MS, pulse.born_ms // HOUR_MS + 1
    if not pulse.judged_until:
        pulse.judged_until, pulse.past_until = max(born, now - RECENT_HOURS), born
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
        pulse.past_mentions = pulse.past_hours = pulse.excess = pulse.excess_usual = 0.0
        pulse.past_until = until - REMEMBERED_HOURS
    counts: dict[int, int] = {}
    for place in [place for place in pulse.bins if place < until * BINS_PER_HOUR]:
        hour = place // BINS_PER_HOUR
        counts[hour] = counts.get(hour, 0) + pulse.bins.pop(place)
    for hour in range(max(pulse.past_until, born), until):
        hours = volume.usual(hour * HOUR_MS, (hour + 1) * HOUR_MS)
        mean = _rate(_Past(pulse.past_mentions, pulse.past_hours), parameters.prior_rate, parameters) * hours
        most = _most(mean, _excess(pulse, mean, parameters), parameters)
        pulse.past_mentions = KEPT_AN_HOUR * pulse.past_mentions + min(counts.get(hour, 0), most)
        pulse.past_hours = KEPT_AN_HOUR * pulse.past_hours + hours
    pulse.past_until = until
    if born < until:
        pulse.early = {}


def _rate(past: _Past, prior: float, parameters: SpikeParameters) -> float:
    """Mentions in an ordinary hour."""
    weight = parameters.prior_mentions
    return (weight + past.mentions) / (weight / prior + past.hours)


def _dispersion(pulse: Pulse, parameters: SpikeParameters) -> float:
    """How many times the usual excess a series has, shrunken to 1."""
    weight = parameters.excess_weight
    return max((weight + pulse.excess) / (weight + pulse.excess_usual), parameters.least_excess)


def _usual_excess(mean: float, parameters: SpikeParameters) -> float:
    """Variance beyond Poisson of an hour with so many mentions, as a share of them."""
    return parameters.excess_of_mean + parameters.excess_of_square * mean


def _excess(pulse: Pulse, mean: float, parameters: SpikeParameters) -> float:
    return _dispersion(pulse, parameters) * _usual_excess(mean, parameters)


def _most(mean: float, excess: float, parameters: SpikeParameters) -> float:
    """As much as one hour of the past may count."""
    return mean + parameters.most_deviations * math.sqrt(mean * (1.0 + excess)) + 2.0


def notice(pulse: Pulse, volume: Volume, parameters: SpikeParameters, *, now_ms: int) -> Reading | None:
    """A series was mentioned just now: its reading if it spikes, None if it does not, or did already.

    To be called with event time. A spike is over when the series has been calm for some hours; what came
    until then is not told of again. Who finds the spike convincing calls `tell`.
    """
    settle_past(pulse, volume, parameters, now_ms=now_ms)
    if len(pulse.bins) < parameters.min_authors and sum(pulse.bins.values()) < parameters.min_authors:
        return None  # too few to convince anybody
    if pulse.spiking_ms and now_ms - pulse.stirred_ms >= parameters.calm_hours * HOUR_MS:
        pulse.told_ms, pulse.spiking_ms = pulse.stirred_ms, 0
    reading = read(pulse, volume, parameters, now_ms=now_ms, since_ms=pulse.told_ms)
    if not pulse.spiking_ms:
        return reading if reading.surprise >= parameters.surprise else None
    if max(one.surprise for one in reading.windows[:3]) >= parameters.calm:  # a day is long to remember
        pulse.stirred_ms = now_ms
    return None


def tell(pulse: Pulse, now_ms: int) -> None:
    """The spike was told of."""
    pulse.spiking_ms = pulse.stirred_ms = now_ms
