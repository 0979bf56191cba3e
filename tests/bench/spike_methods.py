"""What tells a spike: narrawatch's scorer, and the usual rules that it is compared with. All get the same."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammainc

from models.pulse import Pulse
from models.spike_parameters import SpikeParameters
from models.spikes import notice, settle_past, tell
from models.volume import Volume
from tests.bench.spike_series import BIN_SECONDS, HOUR, Desk, Series

__all__ = ["COOL_DOWN", "RULES", "rule_alarms", "scorer_alarms"]

COOL_DOWN = 6 * HOUR  # of all rules, as of the scorer
_BASE_HOURS = 168
_EPOCH_MS = 1_767_571_200_000  # a Monday


def scorer_alarms(desk: Desk, parameters: SpikeParameters) -> list[list[float]]:
    """When each series of a desk spikes, in seconds."""
    volume = Volume()
    pulses = [Pulse(born_ms=_ms(one.born)) for one in desk.series]
    alarms: list[list[float]] = [[] for _ in desk.series]
    whose = np.repeat(np.arange(len(desk.series)), [len(one.times) for one in desk.series])
    times = np.concatenate([one.times for one in desk.series])
    order = np.argsort(times, kind="stable")
    done = 0
    for number, second in zip(whose[order].tolist(), times[order].tolist(), strict=True):
        place = int(second // BIN_SECONDS)
        while done <= place:
            volume.count(_ms(done * BIN_SECONDS), int(desk.comments[done]))
            done += 1
        pulse, at = pulses[number], _ms(second)
        pulse.add(at)
        if second < desk.judged_from:
            settle_past(pulse, volume, parameters, now_ms=at)
        elif at > pulse.born_ms and notice(pulse, volume, parameters, now_ms=at) is not None:
            tell(pulse, at)
            alarms[number].append(second)
    return alarms


def _ms(second: float) -> int:
    return _EPOCH_MS + round(second * 1000)


Rule = Callable[[NDArray[np.int64], NDArray[np.float64]], NDArray[np.bool_]]


def _mean_rule(now: NDArray[np.int64], base: NDArray[np.float64]) -> NDArray[np.bool_]:
    return np.asarray(now > base.mean(axis=1) + 3 * base.std(axis=1))


def _median_rule(now: NDArray[np.int64], base: NDArray[np.float64]) -> NDArray[np.bool_]:
    middle = np.median(base, axis=1)
    deviation = 1.4826 * np.median(np.abs(base - middle[:, None]), axis=1)
    return np.asarray(now > middle + 3 * deviation)


def _poisson_rule(now: NDArray[np.int64], base: NDArray[np.float64]) -> NDArray[np.bool_]:
    mean = np.maximum(base.mean(axis=1), 0.5 / _BASE_HOURS)
    return gammainc(now, mean) < 1e-4  # the chance of at least so many


RULES: dict[str, Rule] = {
    "mean + 3 sigma": _mean_rule,
    "median + 3 MAD": _median_rule,
    "Poisson p < 1e-4": _poisson_rule,
}


def rule_alarms(desk: Desk, one: Series, rule: Rule) -> list[float]:
    """Every five minutes the last hour is held against the 168 hours before it."""
    per_hour = int(HOUR / BIN_SECONDS)
    bins = np.bincount((one.times // BIN_SECONDS).astype(int), minlength=len(desk.comments))
    sums = np.concatenate([[0], np.cumsum(bins)])
    first = int(desk.judged_from / BIN_SECONDS)
    ends = np.arange(first, len(bins)) + 1
    now = sums[ends] - sums[ends - per_hour]
    ends = ends[now > 0]  # none of the rules finds nothing surprising
    now = now[now > 0]
    alarms: list[float] = []
    last = -COOL_DOWN
    for part in np.array_split(np.arange(len(ends)), max(1, len(ends) // 2_000)):
        edges = ends[part, None] - per_hour * np.arange(1, _BASE_HOURS + 2)[None, :]
        edge_sums = np.where(edges >= 0, sums[np.maximum(edges, 0)], 0)
        base = (edge_sums[:, :-1] - edge_sums[:, 1:]).astype(float)
        for end in ends[part][rule(now[part], base)]:
            at = float(end * BIN_SECONDS)
            if at - last >= COOL_DOWN:
                alarms.append(at)
            last = at
    return alarms
