"""Simulated desks: comments by the hour of the week, and series of mentions, calm or not."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["BIN_SECONDS", "DAY", "HOUR", "WARM_UP_DAYS", "Desk", "Series", "made_desk"]

HOUR, DAY = 3_600.0, 86_400.0
BIN_SECONDS = 300.0
WARM_UP_DAYS = 14  # of which methods know, and are not judged by
_COMMENTS_PER_HOUR = 60.0
_BURST_MENTIONS = 6
_GAMMA_SHAPE = 2.0  # of the factor of each hour of an overdispersed series: variance = mean + mean² / 2
_STORY_DAYS, _STORY_HOURS = 4.0, 8.0  # a story that is not one of the series comes so often, and goes
_NEWBORN_HOURS = 4.0  # in which attention to a newborn falls to a third

Times = NDArray[np.float64]


class Series(NamedTuple):
    """times: seconds, sorted; born: when it emerged; change: begin and end of what is to be found."""

    times: Times
    born: float
    change: tuple[float, float] | None = None


class Desk(NamedTuple):
    """comments: of each bin; end: seconds; judged_from: seconds, alarms before it do not count."""

    comments: NDArray[np.int64]
    series: list[Series]
    judged_from: float
    end: float

    @property
    def series_days(self) -> float:
        return len(self.series) * (self.end - self.judged_from) / DAY


def season(times: Times) -> Times:
    """How many times as much is said in an hour as in the mean hour of a week."""
    hour = times / HOUR
    day = 1.0 + 0.7 * np.sin((hour % 24 - 9) / 24 * 2 * np.pi)
    return day * np.where(hour // 24 % 7 < 5, 1.16, 0.6)


def _arrivals(rng: np.random.Generator, rate: float, start: float, end: float, gamma: bool) -> Times:
    """rate: an hour, in the mean; thinned by the season and by a factor of each hour."""
    hours = np.arange(start // HOUR, np.ceil(end / HOUR))
    means = rate * season((hours + 0.5) * HOUR)
    if gamma:
        means = means * rng.gamma(_GAMMA_SHAPE, 1 / _GAMMA_SHAPE, len(hours))
    counts = rng.poisson(means)
    times = (np.repeat(hours, counts) + rng.random(counts.sum())) * HOUR
    return np.sort(times[(times >= start) & (times < end)])


def _comments(rng: np.random.Generator, end: float) -> NDArray[np.int64]:
    """Of each bin; some days have a story of which everybody talks."""
    bins = np.arange(0, end, BIN_SECONDS)
    means = _COMMENTS_PER_HOUR * BIN_SECONDS / HOUR * season(bins)
    for start in rng.uniform(0, end, rng.poisson(end / DAY / _STORY_DAYS)):
        age = (bins - start) / HOUR
        means = means * np.where(
            age >= 0, 1.0 + rng.exponential(1.0) * np.exp(-np.abs(age) / _STORY_HOURS), 1.0
        )
    return rng.poisson(means)


def made_desk(seed: int, *, rate: float, count: int, days: int, gamma: bool, kind: str = "calm") -> Desk:
    """kind: calm, newborn, burst (+6 mentions within an hour) or doubling (of the rate, for good)."""
    rng = np.random.default_rng(seed)
    end = (WARM_UP_DAYS + days) * DAY
    judged_from = WARM_UP_DAYS * DAY
    series = [_series(rng, rate, (judged_from, end), gamma, kind) for _ in range(count)]
    return Desk(_comments(rng, end), series, judged_from, end)


def _series(
    rng: np.random.Generator, rate: float, judged: tuple[float, float], gamma: bool, kind: str
) -> Series:
    judged_from, end = judged
    if kind == "newborn":
        start = judged_from + rng.uniform(0, DAY)
        founders = int(rng.integers(3, 7))
        extra = rng.poisson(_NEWBORN_HOURS * rng.gamma(0.7, 1 / 0.7))
        interest = start + rng.exponential(_NEWBORN_HOURS * HOUR, extra)
        cluster = start + rng.uniform(0, HOUR, 3)  # it has to emerge, however rare it will be
        times = np.concatenate([cluster, interest, _arrivals(rng, rate, start, end, gamma)])
        times = np.sort(times[times < end])
        return Series(times, float(times[min(founders, len(times)) - 1]))
    times = _arrivals(rng, rate, 0.0, end, gamma)
    if kind == "calm":
        return Series(times, 0.0)
    if kind == "burst":
        start = rng.uniform(judged_from, end - 2 * HOUR)
        burst = start + np.sort(rng.uniform(0, HOUR, _BURST_MENTIONS))
        return Series(np.sort(np.concatenate([times, burst])), 0.0, (float(burst[0]), float(burst[-1])))
    start = rng.uniform(judged_from, end - 12 * HOUR)
    more = _arrivals(rng, rate, start, end, gamma)
    return Series(np.sort(np.concatenate([times, more])), 0.0, (start, start))
