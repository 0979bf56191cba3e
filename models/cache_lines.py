"""Arrays that begin where a line of the processor's cache does."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["LINE", "aligned_zeros"]

LINE = 64  # bytes that come from memory at once


def aligned_zeros(shape: tuple[int, ...], kind: type[np.generic]) -> NDArray[Any]:
    """Of that shape and kind: what is as long as a line lies in one, and shares it with nothing else."""
    size = math.prod(shape) * np.dtype(kind).itemsize
    raw = np.zeros(size + LINE, np.uint8)
    start = -raw.ctypes.data % LINE
    return raw[start : start + size].view(kind).reshape(shape)
