"""A short stand-in for many long rows, to find the few that are worth comparing exactly.

A row of some 1,400 columns is folded: columns are summed, with fixed signs, into 512 buckets. Inner products
of folded rows are those of the rows plus noise, in proportion to the length of the row that is compared
(count sketch: Charikar, Chen and Farach-Colton 2002). Nothing is learned: a sketch follows from the rows
alone, and a snapshot need not hold it.

The buckets lie in four quarters, of which four sums are kept: that of all, and those with two signs turned
(a Hadamard matrix, which keeps products). The sum of all is itself a sketch of 128 buckets. All rows are
compared by that, and by the others only those that may still be the most similar. Sums are kept as whole
numbers of 8 bits with a scale: they take a fourth of the memory, and add up to the same in any order.
"""

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from models.lexical import LEXICAL_DIMENSIONS

__all__ = ["Sketch", "similarity"]

# Buckets of a quarter. Dense columns are few and full, lexical ones are many and nearly empty: folding the
# former costs more, and with vectors of 384 columns the four quarters hold all of it.
_DENSE_QUARTER = 96
_LEXICAL_QUARTER = 32
_WIDTH = _DENSE_QUARTER + _LEXICAL_QUARTER
# What noise may hide, by the length of the row: about four times its standard deviation, which is 0.040 with
# the sum of all quarters and 0.012 with all four sums (over rows of labelled comments).
_COARSE_NOISE = np.float32(0.14)
_FINE_NOISE = np.float32(0.05)
# At most so many go on to the next look.
_MOST_COARSE = 2_048
_MOST_FINE = 192
_OWN = 2  # last columns of a row, which are not folded
_MOST = np.float32(127.0)  # of 8 bits
_NOTHING = np.float32(1e-30)
_PRIME = np.uint64(0x9E3779B97F4A7C15)
_SHIFT = np.uint64(29)
_SIGN = np.uint64(63)

Floats = NDArray[np.float32]
Slots = NDArray[np.intp]
Small = NDArray[np.int8]


class _Tables(NamedTuple):
    """One entry a slot, but for the first two: one a column that is folded."""

    targets: Slots
    signs: Floats
    scale: Floats
    coarse: Small  # (n, 128)
    fine: Small  # (n, 3 x 128)
    steps: Floats  # what 1 of the whole numbers stands for
    own: Floats  # (n, 2)
    lengths: Floats
    gains: Floats  # zero between calls


class Sketch:
    """Rows in slots, each with a scale; zero at first.

    dimensions: length of a row as `models.representation` makes it. capacity: how many slots there are.
    Raises ValueError for rows without a dense part.
    """

    def __init__(self, dimensions: int, capacity: int) -> None:
        dense = dimensions - LEXICAL_DIMENSIONS - _OWN
        if dense < 1:
            raise ValueError(f"rows of {dimensions} columns have no dense part")
        self.capacity = capacity
        self._tables = _Tables(
            targets=_buckets(dense),
            signs=_signs(dense),
            scale=np.zeros(capacity, dtype=np.float32),
            coarse=np.zeros((capacity, _WIDTH), dtype=np.int8),
            fine=np.zeros((capacity, 3 * _WIDTH), dtype=np.int8),
            steps=np.zeros(capacity, dtype=np.float32),
            own=np.zeros((capacity, _OWN), dtype=np.float32),
            lengths=np.zeros(capacity, dtype=np.float32),
            gains=np.zeros(capacity, dtype=np.float32),
        )

    def put(self, slots: Slots, rows: Floats, scale: Floats) -> None:
        """Take in what some slots hold now. rows: (all slots, dimensions); slots, scale: (n,).

        What is kept of a row is the same to the bit whatever it comes with.
        """
        self._tables.scale[slots] = scale
        _put(slots, rows, self._tables)

    def nearest(
        self, row: Floats, rows: Floats, gained: tuple[Slots, Floats], *, used: int, threshold: float
    ) -> tuple[int, float]:
        """The slot whose scaled row has the highest product with a row, and that product.

        row: (dimensions,), mirrored. rows: as `put` got them. gained: slots, and what their products gain.
        used: how many slots to look at. Where none reaches the threshold, another may be found than the most
        similar; above it, seldom (docs/performance.md has figures).
        """
        slots, gains = gained
        self._tables.gains[slots] = gains
        found = _nearest(row, rows, used, np.float32(threshold), self._tables)
        self._tables.gains[slots] = 0.0
        return int(found[0]), float(found[1])

    def reaching(self, rows: Floats, bar: float, *, used: int) -> Slots:
        """The slots whose scaled rows may have a product of at least the bar with one of some rows.

        rows: (n, dimensions), mirrored; n at least 1.
        """
        tables = self._tables
        coarse = tables.coarse[:used] * tables.steps[:used, None]
        folded = np.stack([self.folded(row)[:_WIDTH] for row in rows])
        products = coarse @ folded.T + tables.own[:used] @ rows[:, -_OWN:].T
        return np.flatnonzero(products.max(axis=1) + _COARSE_NOISE * tables.lengths[:used] >= bar)

    def folded(self, row: Floats) -> Floats:
        """The four sums of the quarters of one row, one after the other: (4 x 128,)."""
        sums: Floats = _folded(row, self._tables.targets, self._tables.signs)
        return sums


@njit(cache=True, fastmath={"reassoc", "contract"})
def similarity(row: Floats, other: Floats) -> np.float32:
    """Inner product, the same to the bit whatever comes beside it: a matrix product does not promise that."""
    total = np.float32(0.0)
    for column in range(len(row)):
        total += row[column] * other[column]
    return total


@njit(cache=True)
def _folded(row: Floats, targets: Slots, signs: Floats) -> Floats:
    sums = np.zeros(4 * _WIDTH, dtype=np.float32)
    for column in range(len(targets)):
        sums[targets[column]] += signs[column] * row[column]
    for place in range(_WIDTH):
        one, two = sums[place], sums[place + _WIDTH]
        three, four = sums[place + 2 * _WIDTH], sums[place + 3 * _WIDTH]
        sums[place] = (one + three) + (two + four)
        sums[place + _WIDTH] = (one + three) - (two + four)
        sums[place + 2 * _WIDTH] = (one - three) + (two - four)
        sums[place + 3 * _WIDTH] = (one - three) - (two - four)
    return sums


@njit(cache=True)
def _step(sums: Floats) -> np.float32:
    return np.float32(max(np.max(np.abs(sums)), _NOTHING) / _MOST)


@njit(cache=True)
def _put(slots: Slots, rows: Floats, into: _Tables) -> None:
    for slot in slots:
        sums = _folded(rows[slot], into.targets, into.signs) * into.scale[slot]
        into.steps[slot] = _step(sums)
        whole = np.rint(sums / into.steps[slot]).astype(np.int8)
        into.coarse[slot], into.fine[slot] = whole[:_WIDTH], whole[_WIDTH:]
        total = np.sum(sums[:_WIDTH] * sums[:_WIDTH])
        for column in range(_OWN):
            into.own[slot, column] = rows[slot, column - _OWN] * into.scale[slot]
            total += into.own[slot, column] * into.own[slot, column]
        into.lengths[slot] = np.sqrt(total)


@njit(cache=True)
def _nearest(
    row: Floats, rows: Floats, used: int, threshold: np.float32, within: _Tables
) -> tuple[int, np.float32]:
    """A good guess first, since it rules most others out; then those that noise may hide."""
    sums = _folded(row, within.targets, within.signs)
    step = _step(sums)
    whole = np.rint(sums / step).astype(np.int8)
    products = _products(within.coarse[:used], whole[:_WIDTH])
    extra = np.empty(used, dtype=np.float32)  # what is not of the folded columns
    might = np.empty(used, dtype=np.float32)
    guess, most = 0, np.float32(-np.inf)
    for slot in range(used):
        extra[slot] = within.own[slot, 0] * row[-2] + within.own[slot, 1] * row[-1] + within.gains[slot]
        might[slot] = products[slot] * (step * within.steps[slot]) + extra[slot]
        if might[slot] > most:
            guess, most = slot, might[slot]
        might[slot] += _COARSE_NOISE * within.lengths[slot]
    best, highest = guess, _exact(guess, row, rows, within)

    slots = _at_least(np.arange(used), might, max(threshold, highest), _MOST_COARSE)
    finer = np.empty(len(slots), dtype=np.float32)
    for place, slot in enumerate(slots):
        total = products[slot]
        for column in range(3 * _WIDTH):
            total += np.int32(within.fine[slot, column]) * np.int32(whole[_WIDTH + column])
        # A product is the mean of those of the four sums.
        finer[place] = total * (step * within.steps[slot]) * np.float32(0.25) + extra[slot]
        finer[place] += _FINE_NOISE * within.lengths[slot]
    for slot in _at_least(slots, finer, max(threshold, highest), _MOST_FINE):
        similar = _exact(slot, row, rows, within)
        if similar > highest or (similar == highest and slot < best):
            best, highest = slot, similar
    return best, highest


@njit(cache=True)
def _products(coarse: Small, whole: Small) -> NDArray[np.int32]:
    products = np.empty(len(coarse), dtype=np.int32)
    for slot in range(len(coarse)):
        total = np.int32(0)
        for column in range(_WIDTH):
            total += np.int32(coarse[slot, column]) * np.int32(whole[column])
        products[slot] = total
    return products


@njit(cache=True)
def _exact(slot: int, row: Floats, rows: Floats, within: _Tables) -> np.float32:
    return np.float32(similarity(rows[slot], row) * within.scale[slot] + within.gains[slot])


@njit(cache=True)
def _at_least(slots: Slots, values: Floats, bar: np.float32, most: int) -> Slots:
    """Those of the slots whose values reach the bar; if these are too many, the highest."""
    chosen = np.flatnonzero(values >= bar)
    if len(chosen) > most:
        higher = np.partition(values[chosen], len(chosen) - most)[len(chosen) - most]
        chosen = chosen[values[chosen] >= higher]
    return slots[chosen]


def _buckets(dense: int) -> Slots:
    """Where each column goes, in four quarters of dense and lexical buckets: (dense + lexical,)."""
    of_dense = np.arange(dense) % (4 * _DENSE_QUARTER)
    of_lexical = np.arange(LEXICAL_DIMENSIONS) % (4 * _LEXICAL_QUARTER)
    quarter, place = np.divmod(of_dense, _DENSE_QUARTER)
    other_quarter, other_place = np.divmod(of_lexical, _LEXICAL_QUARTER)
    return np.concatenate(
        [quarter * _WIDTH + place, other_quarter * _WIDTH + _DENSE_QUARTER + other_place]
    ).astype(np.intp)


def _signs(dense: int) -> Floats:
    """Fixed, and as if thrown, for dense columns; terms have theirs already: (dense + lexical,)."""
    mixed = np.arange(1, dense + 1, dtype=np.uint64) * _PRIME
    mixed = (mixed ^ (mixed >> _SHIFT)) * _PRIME
    thrown = np.where(mixed >> _SIGN, 1.0, -1.0)
    return np.concatenate([thrown, np.ones(LEXICAL_DIMENSIONS)]).astype(np.float32)
