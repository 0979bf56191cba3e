"""Sums of rows, and what makes means of them."""

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

__all__ = ["Means", "scale_of", "trusted"]

Floats = NDArray[np.float32]


class Means(NamedTuple):
    """Sums (n, dimensions), of so many rows (n,) each, and whether they are active (n,).

    doubt: pairs of no similarity that count in every mean. idle_factor: what means that are not active are
    divided by.
    """

    sums: Floats
    sizes: Floats
    active: NDArray[np.bool_]
    doubt: np.float32
    idle_factor: np.float32


@njit(cache=True)
def trusted(size: np.float32, doubt: np.float32) -> np.float32:
    """A size, as far as it is trusted to be."""
    return max(size + doubt, np.float32(1.0))


@njit(cache=True)
def scale_of(slot: int, means: Means) -> np.float32:
    """What a sum is multiplied by to be a mean, as trusted and as idle as it is."""
    size = trusted(means.sizes[slot], means.doubt)
    if not means.active[slot]:
        size *= means.idle_factor
    return np.float32(1.0) / size
