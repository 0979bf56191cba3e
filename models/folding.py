"""Long rows folded to short ones of whole numbers.

A row of some 1,400 columns is folded: columns are summed, with fixed signs, into 512 buckets. Inner products
of folded rows are those of the rows plus noise, in proportion to the length of the row that is compared
(count sketch: Charikar, Chen and Farach-Colton 2002). Nothing is learned: what a row is folded to follows
from the row alone.

The buckets lie in four quarters, of which four sums are kept: that of all, and those with two signs turned
(a Hadamard matrix, which keeps products). The sum of all is itself a sketch of 128 buckets.
"""

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from models.lexical import LEXICAL_DIMENSIONS

__all__ = ["OWN", "WIDTH", "Folding", "folded", "folding"]

# Buckets of a quarter. Dense columns are few and full, lexical ones are many and nearly empty: folding the
# former costs more, and with vectors of 384 columns the four quarters hold all of it.
_DENSE_QUARTER = 96
_LEXICAL_QUARTER = 32
WIDTH = _DENSE_QUARTER + _LEXICAL_QUARTER
OWN = 2  # last columns of a row, which are not folded
_PRIME = np.uint64(0x9E3779B97F4A7C15)
_SHIFT = np.uint64(29)
_SIGN = np.uint64(63)

Floats = NDArray[np.float32]
Slots = NDArray[np.intp]


class Folding(NamedTuple):
    """Where each column goes, and with what sign: (dense + lexical,) both."""

    targets: Slots
    signs: Floats


def folding(dimensions: int) -> Folding:
    """For rows as `models.representation` makes them.  Raises ValueError for rows without a dense part."""
    dense = dimensions - LEXICAL_DIMENSIONS - OWN
    if dense < 1:
        raise ValueError(f"rows of {dimensions} columns have no dense part")
    return Folding(_buckets(dense), _signs(dense))


@njit(cache=True)
def folded(row: Floats, targets: Slots, signs: Floats) -> Floats:
    """The four sums of the quarters of one row, one after the other: (4 x 128,). The rest: of `folding`."""
    sums = np.zeros(4 * WIDTH, dtype=np.float32)
    for column in range(len(targets)):
        sums[targets[column]] += signs[column] * row[column]
    for place in range(WIDTH):
        one, two = sums[place], sums[place + WIDTH]
        three, four = sums[place + 2 * WIDTH], sums[place + 3 * WIDTH]
        sums[place] = (one + three) + (two + four)
        sums[place + WIDTH] = (one + three) - (two + four)
        sums[place + 2 * WIDTH] = (one - three) + (two - four)
        sums[place + 3 * WIDTH] = (one - three) - (two - four)
    return sums


def _buckets(dense: int) -> Slots:
    """In four quarters of dense and lexical buckets."""
    of_dense = np.arange(dense) % (4 * _DENSE_QUARTER)
    of_lexical = np.arange(LEXICAL_DIMENSIONS) % (4 * _LEXICAL_QUARTER)
    quarter, place = np.divmod(of_dense, _DENSE_QUARTER)
    other_quarter, other_place = np.divmod(of_lexical, _LEXICAL_QUARTER)
    return np.concatenate(
        [quarter * WIDTH + place, other_quarter * WIDTH + _DENSE_QUARTER + other_place]
    ).astype(np.intp)


def _signs(dense: int) -> Floats:
    """As if thrown, for dense columns; terms have theirs already."""
    mixed = np.arange(1, dense + 1, dtype=np.uint64) * _PRIME
    mixed = (mixed ^ (mixed >> _SHIFT)) * _PRIME
    thrown = np.where(mixed >> _SIGN, 1.0, -1.0)
    return np.concatenate([thrown, np.ones(LEXICAL_DIMENSIONS)]).astype(np.float32)
