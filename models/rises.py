"""Evidence that a series has risen for good within the last hours, however long ago that began.

The Shiryaev-Roberts statistic (Roberts 1966; Pollak 1985) adds up the likelihood ratios of all times at
which the rise may have begun. In a calm series its mean is their number, whatever the series' distribution:
one threshold makes about as many false alarms in all of them. It looks no further back than is still news.
What has lasted for longer without being told is what the series has become.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from models.negative_binomial import log_ratio

__all__ = ["evidence_of_rise"]


def evidence_of_rise(
    counts: Sequence[int],
    means: Sequence[float],
    spreads: Sequence[float],
    doubts: Sequence[float],
    *,
    doubt: float,
    factor: float,
) -> float:
    """Logarithm (nats) of the sum of likelihood ratios, each of what came since the beginning of an hour.

    counts, means: observed and expected, one an hour, the last up to now; spreads: variance beyond Poisson's
    of each hour by itself; doubts: by how much all hours may be wrong alike, a share (standard deviation) of
    each; doubt: more of the same, as a share squared. factor: of the rise.
    """
    observed, mean = _since(counts), _since(means)
    varied = _since(spreads) + _since(np.multiply(doubts, means)) ** 2
    shape = 1.0 / (varied / mean**2 + doubt)
    return float(np.logaddexp.reduce(log_ratio(observed, mean, shape, factor)))


def _since(hourly: Sequence[float] | NDArray[np.float64]) -> NDArray[np.float64]:
    """The sums from each hour to the last."""
    return np.cumsum(np.asarray(hourly, dtype=np.float64)[::-1])
