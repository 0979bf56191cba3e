"""Simulated desks: comments by the hour of the week, and series of mentions, calm or not."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "BIN_SECONDS",
    "DAY",
    "GAMMA_SHAPE",
    "HOUR",
    "WARM_UP_DAYS",
    "Desk",
    "Series",
    "made_desk",
    "season",
]

HOUR, DAY = 3_600.0, 86_400.0
BIN_SECONDS = 300.0
WARM_UP_DAYS = 14  # of which methods know, and are not judged by
_COMMENTS_PER_HOUR = 60.0  # or ten times the mentions of a series
_BURST_MENTIONS = 6
GAMMA_SHAPE = 2.0  # of the factor of each hour of an overdispersed series: variance = mean + mean² / 2
# A story that everybody talks of comes so often, and goes; at every other desk it is all in other series.
_STORY_DAYS, _STORY_HOURS = 7.0, 6.0
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


class _Pace(NamedTuple):
    """How mentions come. stories: factor of each hour; gamma: whether each has one of its own besides."""

    rate: float  # an hour, in the mean week
    stories: Times
    gamma: bool

    def arrivals(self, rng: np.random.Generator, start: float, end: float) -> Times:
        hours = np.arange(start // HOUR, np.ceil(end / HOUR))
        means = self.rate * season((hours + 0.5) * HOUR) * self.stories[hours.astype(int)]
        if self.gamma:
            means = means * rng.gamma(GAMMA_SHAPE, 1 / GAMMA_SHAPE, len(hours))
        counts = rng.poisson(means)
        times = (np.repeat(hours, counts) + rng.random(counts.sum())) * HOUR
        return np.sort(times[(times >= start) & (times < end)])


def _stories(rng: np.random.Generator, hours: int) -> Times:
    """How many times as much is said in each hour, because of something that happened."""
    factors = np.ones(hours)
    for start in rng.uniform(0, hours, rng.poisson(hours / 24 / _STORY_DAYS)):
        age = np.arange(hours) - start
        more = rng.exponential(1.0) * np.exp(-np.abs(age) / _STORY_HOURS)
        factors *= np.where(age >= 0, 1.0 + more, 1.0)
    return factors


def _comments(rng: np.random.Generator, rate: float, stories: Times, end: float) -> NDArray[np.int64]:
    """Of each bin."""
    bins = np.arange(0, end, BIN_SECONDS)
    per_bin = max(_COMMENTS_PER_HOUR, 10 * rate) * BIN_SECONDS / HOUR
    means = per_bin * season(bins) * stories[(bins // HOUR).astype(int)]
    return np.asarray(rng.poisson(means))


def made_desk(seed: int, *, rate: float, count: int, days: int, gamma: bool, kind: str = "calm") -> Desk:
    """A desk with series of one kind; of two seeds in succession one has series that follow its stories.

    rate: mentions an hour; count: of series; days: after the warm-up; gamma: overdispersed.
    kind: calm, newborn, burst (+6 mentions within an hour) or doubling (of the rate, for good).
    """
    rng = np.random.default_rng(seed)
    end = (WARM_UP_DAYS + days) * DAY
    judged_from = WARM_UP_DAYS * DAY
    stories = _stories(rng, (WARM_UP_DAYS + days) * 24)
    pace = _Pace(rate, stories if seed % 2 else np.ones_like(stories), gamma)
    series = [_series(rng, pace, (judged_from, end), kind) for _ in range(count)]
    return Desk(_comments(rng, rate, stories, end), series, judged_from, end)


def _series(rng: np.random.Generator, pace: _Pace, judged: tuple[float, float], kind: str) -> Series:
    judged_from, end = judged
    if kind == "newborn":
        start = judged_from + rng.uniform(0, DAY)
        founders = int(rng.integers(3, 7))
        extra = rng.poisson(_NEWBORN_HOURS * rng.gamma(0.7, 1 / 0.7))
        interest = start + rng.exponential(_NEWBORN_HOURS * HOUR, extra)
        cluster = start + rng.uniform(0, HOUR, 3)  # it has to emerge, however rare it will be
        times = np.concatenate([cluster, interest, pace.arrivals(rng, start, end)])
        times = np.sort(times[times < end])
        return Series(times, float(times[min(founders, len(times)) - 1]))
    times = pace.arrivals(rng, 0.0, end)
    if kind == "calm":
        return Series(times, 0.0)
    if kind == "burst":
        start = rng.uniform(judged_from, end - 2 * HOUR)
        burst = start + np.sort(rng.uniform(0, HOUR, _BURST_MENTIONS))
        return Series(np.sort(np.concatenate([times, burst])), 0.0, (float(burst[0]), float(burst[-1])))
    start = rng.uniform(judged_from, end - 12 * HOUR)
    more = pace.arrivals(rng, start, end)
    return Series(np.sort(np.concatenate([times, more])), 0.0, (start, start))
