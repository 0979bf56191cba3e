"""Near-copies: texts that share at least half of their three-word runs.

Compiled, because every mention is compared with what was said before.
"""

from collections.abc import Sequence

import numpy as np
from numba import njit
from numpy.typing import NDArray

__all__ = ["copy_among", "is_copy"]

COPY_JACCARD = 0.5  # of three-word runs: a changed word or two, an added sentence, a new emoji
COPY_MIN_SHINGLES = 5  # shorter texts are alike by chance ("C'est un rachat déguisé.")

_WORD = np.dtype("<u8")

Hashes = NDArray[np.uint64]


def copy_among(texts: Sequence[bytes], signature: bytes) -> int | None:
    """The place of the first text that another is a near-copy of; None without any.

    texts, signature: as `models.lexical.shingles` returns them.
    """
    if not texts:
        return None
    joined = np.frombuffer(b"".join(texts), dtype=_WORD)
    ends = np.cumsum(np.fromiter(map(len, texts), dtype=np.int64, count=len(texts))) // _WORD.itemsize
    place = int(_copy_among(joined, ends, np.frombuffer(signature, dtype=_WORD)))
    return None if place < 0 else place


def is_copy(text: bytes, signature: bytes) -> bool:
    """Whether one is a near-copy of the other."""
    return copy_among([text], signature) is not None


@njit(cache=True)
def _copy_among(joined: Hashes, ends: NDArray[np.int64], own: Hashes) -> int:
    start = 0
    for place in range(len(ends)):
        if _is_copy(joined[start : ends[place]], own):
            return place
        start = ends[place]
    return -1


@njit(cache=True)
def _is_copy(one: Hashes, other: Hashes) -> bool:
    """Both are ascending, and hold nothing twice."""
    both = i = j = 0
    while i < len(one) and j < len(other):
        if one[i] < other[j]:
            i += 1
        elif one[i] > other[j]:
            j += 1
        else:
            both, i, j = both + 1, i + 1, j + 1
    if min(len(one), len(other)) < COPY_MIN_SHINGLES:
        return both == len(one) == len(other)
    return both >= COPY_JACCARD * (len(one) + len(other) - both)
