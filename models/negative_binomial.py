"""The negative binomial distribution by mean and shape: tails, and the step of a CUSUM.

With shape k the variance is mean + mean^2 / k: a Poisson variable whose rate is Gamma-distributed, as the
rate of a narrative is known only so well and people come in bursts.
"""

import math

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


def log_ratio(count: float, mean: float, shape: float, factor: float) -> float:
    """Log-likelihood of a count at `factor` times the mean, less that at the mean (nats).

    Its sum, held at zero from below, is the CUSUM that finds a lasting change by that factor soonest
    (Moustakides 1986; for negative binomial counts Höhle & Paul 2008).
    """
    raised = shape + factor * mean
    return count * math.log(factor * (shape + mean) / raised) - shape * math.log(raised / (shape + mean))
