"""The negative binomial distribution by mean and shape: tails, and likelihood ratios.

With shape k the variance is mean + mean^2 / k: a Poisson variable whose rate is Gamma-distributed, as the
rate of a narrative is known only so well and people come in bursts.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import betainc

__all__ = ["LARGEST_SURPRISE", "log_ratio", "surprise"]

LARGEST_SURPRISE = 300.0  # decades: the least chance that a float holds


def surprise(observed: ArrayLike, mean: ArrayLike, shape: ArrayLike) -> NDArray[np.float64]:
    """-log10 of the chance of at least so many; 0 where nothing was observed.

    observed: counts; mean, shape: positive; all of one shape.
    """
    count, expected = np.asarray(observed, dtype=np.float64), np.asarray(mean, dtype=np.float64)
    chance = betainc(np.maximum(count, 1.0), shape, expected / (expected + np.asarray(shape)))
    decades = -np.log10(np.maximum(chance, 10.0**-LARGEST_SURPRISE))
    return np.where(count > 0, decades, 0.0)


def log_ratio(count: ArrayLike, mean: ArrayLike, shape: ArrayLike, factor: float) -> NDArray[np.float64]:
    """Log-likelihood of counts at `factor` times the mean, less that at the mean (nats).

    count, mean, shape: of one length; mean, shape: positive.
    """
    observed, usual, known = (np.asarray(one, dtype=np.float64) for one in (count, mean, shape))
    raised = known + factor * usual
    lowered = known + usual
    return np.asarray(observed * np.log(factor * lowered / raised) - known * np.log(raised / lowered))
