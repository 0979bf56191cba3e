"""The inner product that everything is decided by."""

import numpy as np
from numba import njit
from numpy.typing import NDArray

__all__ = ["similarity"]


@njit(cache=True, fastmath={"reassoc", "contract"})
def similarity(row: NDArray[np.float32], other: NDArray[np.float32]) -> np.float32:
    """Inner product, the same to the bit whatever comes beside it: a matrix product does not promise that."""
    total = np.float32(0.0)
    for column in range(len(row)):
        total += row[column] * other[column]
    return total
