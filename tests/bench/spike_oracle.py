"""What the best possible rule finds: a CUSUM that is told all but the time of the change.

It knows the rate, the season and the spread of a series and that it will double, and its threshold is set on
other calm series of just this kind to one false alarm in 100 series-days. No rule with as few false alarms
finds a doubling much sooner (Moustakides 1986), least of all one that has to learn all this from two weeks.
"""

import numpy as np
from numpy.typing import NDArray

from tests.bench.spike_series import BIN_SECONDS, GAMMA_SHAPE, HOUR, season

__all__ = ["oracle_share"]

_BINS_PER_HOUR = int(HOUR / BIN_SECONDS)
_POISSON = 1e6  # shape of a negative binomial that is as good as Poisson
_WITHIN_HOURS = 6

Floats = NDArray[np.float64]


def oracle_share(seed: int, *, rate: float, gamma: bool, series: int = 100, days: int = 28) -> float:
    """The share of doublings that are found within six hours."""
    rng = np.random.default_rng(seed)
    calm = _evidence(rng, rate, gamma, (series, days * 24), doubles_at=None)
    blocks = np.sort(calm.reshape(series, -1, 24 * _BINS_PER_HOUR).max(axis=2).ravel())
    threshold = blocks[-max(1, series * days // 100)]
    starts = rng.integers(7 * 24, 14 * 24, 20 * series)
    hits = 0
    for start in np.unique(starts):
        count = int((starts == start).sum())
        found = _evidence(rng, rate, gamma, (count, int(start) + _WITHIN_HOURS), doubles_at=int(start))
        after = found[:, -_WITHIN_HOURS * _BINS_PER_HOUR :]
        hits += int((after.max(axis=1) > threshold).sum())
    return hits / len(starts)


def _evidence(
    rng: np.random.Generator, rate: float, gamma: bool, size: tuple[int, int], doubles_at: int | None
) -> Floats:
    """The CUSUM of each series at the end of each bin. size: series and hours."""
    series, hours = size
    means = rate * season((np.arange(hours, dtype=np.float64) + 0.5) * HOUR)
    factor = np.where(np.arange(hours) >= (hours if doubles_at is None else doubles_at), 2.0, 1.0)
    shape = GAMMA_SHAPE if gamma else _POISSON
    lasting = rng.gamma(shape, 1 / shape, (series, hours)) if gamma else np.ones((series, hours))
    counts = rng.poisson(
        (lasting * means * factor / _BINS_PER_HOUR)[:, :, None].repeat(_BINS_PER_HOUR, axis=2)
    )
    so_far = counts.cumsum(axis=2)
    expected = means[:, None] * np.arange(1, _BINS_PER_HOUR + 1) / _BINS_PER_HOUR
    steps = _log_ratios(so_far, expected[None, :, :], shape)
    evidence = np.zeros((series, hours, _BINS_PER_HOUR))
    before = np.zeros(series)
    for hour in range(hours):
        evidence[:, hour, :] = np.maximum(before[:, None] + steps[:, hour, :], 0.0)
        before = evidence[:, hour, -1]
    return evidence.reshape(series, -1)


def _log_ratios(counts: NDArray[np.int64], mean: Floats, shape: float) -> Floats:
    raised = shape + 2.0 * mean
    return np.asarray(
        counts * np.log(2.0 * (shape + mean) / raised) - shape * np.log(raised / (shape + mean))
    )
