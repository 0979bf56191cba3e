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
# What noise may hide, by the length of the row: two and a half times its standard deviation, which is 0.042
# with the sum of all quarters, 0.027 with two of the four sums and 0.015 with all of them. What is missed by
# this is near the threshold, and found by the next review.
_COARSE_NOISE = np.float32(0.105)
_MIDDLE_NOISE = np.float32(0.067)
_FINE_NOISE = np.float32(0.038)
# At most so many go on to the next look.
_BLOCK = 64  # slots that are passed over together
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
    own: Floats  # (2, n)
    noise: Floats  # what the first look may hide
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
            own=np.zeros((_OWN, capacity), dtype=np.float32),
            noise=np.zeros(capacity, dtype=np.float32),
            gains=np.zeros(capacity, dtype=np.float32),
        )

    def put(self, slots: Slots, rows: Floats, scale: Floats) -> None:
        """Take in what some slots hold now. rows: (all slots, dimensions); slots, scale: (n,).

        What is kept of a row is the same to the bit whatever it comes with.
        """
        _put(slots, rows, scale, self._tables)

    def nearest(
        self, row: Floats, rows: Floats, gained: tuple[Slots, Floats], *, used: int, threshold: float
    ) -> tuple[int, float]:
        """The slot whose scaled row has the highest product with a row, and that product.

        row: (dimensions,), mirrored. rows: as `put` got them. gained: slots, and what their products gain.
        used: how many slots to look at. Where none reaches the threshold, another may be found than the most
        similar; above it, seldom (docs/performance.md has figures).
        """
        found = _nearest(row, rows[:used], gained, np.float32(threshold), self._tables)
        return int(found[0]), float(found[1])

    def reaching(self, rows: Floats, bar: float, *, used: int) -> Slots:
        """The slots whose scaled rows may have a product of at least the bar with one of some rows.

        rows: (n, dimensions), mirrored; n at least 1.
        """
        tables = self._tables
        coarse = tables.coarse[:used] * tables.steps[:used, None]
        folded = np.stack([self.folded(row)[:_WIDTH] for row in rows])
        products = coarse @ folded.T + tables.own[:, :used].T @ rows[:, -_OWN:].T
        return np.flatnonzero(products.max(axis=1) + tables.noise[:used] >= bar)

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
def _put(slots: Slots, rows: Floats, scale: Floats, into: _Tables) -> None:
    for place in range(len(slots)):
        slot = slots[place]
        into.scale[slot] = scale[place]
        sums = _folded(rows[slot], into.targets, into.signs)
        total, most = np.float32(0.0), _NOTHING
        for column in range(len(sums)):
            sums[column] *= scale[place]
            most = max(most, abs(sums[column]))
            if column < _WIDTH:
                total += sums[column] * sums[column]
        step = most / _MOST
        into.steps[slot] = step
        for column in range(_WIDTH):
            into.coarse[slot, column] = np.int8(np.rint(sums[column] / step))
        for column in range(_WIDTH, len(sums)):
            into.fine[slot, column - _WIDTH] = np.int8(np.rint(sums[column] / step))
        for column in range(_OWN):
            into.own[column, slot] = rows[slot, column - _OWN] * scale[place]
            total += into.own[column, slot] * into.own[column, slot]
        into.noise[slot] = _COARSE_NOISE * np.sqrt(total)


class _Query(NamedTuple):
    """A folded row in whole numbers, what 1 of them stands for, and what is to be reached."""

    whole: Small
    step: np.float32
    bar: np.float32


class _Looks(NamedTuple):
    """What the first look finds: whole products and at most what they may mean, (n,), and the highest of
    each block.
    """

    products: NDArray[np.int32]
    might: Floats
    peaks: Floats


@njit(cache=True)
def _nearest(
    row: Floats, rows: Floats, gained: tuple[Slots, Floats], threshold: np.float32, within: _Tables
) -> tuple[int, np.float32]:
    """A good guess first, since it rules most others out; then those that noise may hide, the best first."""
    sums = _folded(row, within.targets, within.signs)
    step = np.float32(max(np.max(np.abs(sums)), _NOTHING) / _MOST)
    whole = np.rint(sums / step).astype(np.int8)
    count = len(rows)
    products, might = np.empty(count, dtype=np.int32), np.empty(count, dtype=np.float32)
    peaks = np.empty((count + _BLOCK - 1) // _BLOCK, dtype=np.float32)
    _look(row, whole, step, within, _Looks(products, might, peaks))
    within.gains[gained[0]] = gained[1]
    for slot in gained[0]:
        might[slot] += within.gains[slot]
        peaks[slot // _BLOCK] = max(peaks[slot // _BLOCK], might[slot])

    block = int(np.argmax(peaks))
    best = block * _BLOCK + int(np.argmax(might[block * _BLOCK : (block + 1) * _BLOCK]))
    highest = _exact(best, row, rows, within)
    slots = _at_least(_in_peaks(might, peaks, max(threshold, highest)), might, _MOST_COARSE)
    slots, finer = _looked_closer(slots, row, _Query(whole, step, max(threshold, highest)), products, within)
    order = np.argsort(-finer, kind="mergesort")[:_MOST_FINE]
    for place in order:
        if finer[place] < max(threshold, highest):
            break
        slot = slots[place]
        similar = _exact(slot, row, rows, within)
        if similar > highest or (similar == highest and slot < best):
            best, highest = slot, similar
    within.gains[gained[0]] = np.float32(0.0)
    return best, highest


@njit(cache=True)
def _looked_closer(
    slots: Slots, row: Floats, query: _Query, products: NDArray[np.int32], within: _Tables
) -> tuple[Slots, Floats]:
    """The slots that may still reach the bar by the other sums, and at most what their products are."""
    finer, count = np.empty(len(slots), dtype=np.float32), 0
    for slot in slots:
        rest = within.gains[slot] + within.own[0, slot] * row[-2] + within.own[1, slot] * row[-1]
        unit, length = query.step * within.steps[slot], within.noise[slot] / _COARSE_NOISE
        # A product is the mean of those of as many sums as are looked at.
        total = products[slot] + _product(within.fine[slot], query.whole, 0, _WIDTH)
        middle = np.float32(total) * unit * np.float32(0.5) + rest
        if middle + _MIDDLE_NOISE * length < query.bar:
            continue
        total += _product(within.fine[slot], query.whole, _WIDTH, 3 * _WIDTH)
        slots[count] = slot
        finer[count] = np.float32(total) * unit * np.float32(0.25) + rest + _FINE_NOISE * length
        count += 1
    return slots[:count], finer[:count]


@njit(cache=True, fastmath={"reassoc", "nnan", "nsz"})
def _look(row: Floats, whole: Small, step: np.float32, within: _Tables, looks: _Looks) -> None:
    """Look at all slots. Written so that it compiles to wide instructions."""
    products, might, peaks = looks.products, looks.might, looks.peaks
    coarse, steps, noise = within.coarse, within.steps, within.noise
    first, second = within.own[0], within.own[1]
    one, other = row[-2], row[-1]
    for block in range(len(peaks)):
        start, end = block * _BLOCK, min((block + 1) * _BLOCK, len(might))
        for slot in range(start, end):
            total = np.int32(0)
            for column in range(_WIDTH):
                total += np.int32(coarse[slot, column]) * np.int32(whole[column])
            products[slot] = total
        peak = np.float32(-np.inf)
        for slot in range(start, end):
            value = np.float32(products[slot]) * (step * steps[slot]) + noise[slot]
            value += first[slot] * one + second[slot] * other
            might[slot] = value
            peak = max(peak, value)
        peaks[block] = peak


@njit(cache=True)
def _product(fine: Small, whole: Small, start: int, end: int) -> np.int32:
    total = np.int32(0)
    for column in range(start, end):
        total += np.int32(fine[column]) * np.int32(whole[_WIDTH + column])
    return total


@njit(cache=True)
def _in_peaks(might: Floats, peaks: Floats, bar: np.float32) -> Slots:
    """The slots that reach the bar."""
    found = np.empty(len(might), dtype=np.intp)
    count = 0
    for block in range(len(peaks)):
        if peaks[block] >= bar:
            for slot in range(block * _BLOCK, min((block + 1) * _BLOCK, len(might))):
                found[count] = slot
                count += might[slot] >= bar
    return found[:count]


@njit(cache=True)
def _exact(slot: int, row: Floats, rows: Floats, within: _Tables) -> np.float32:
    return np.float32(similarity(rows[slot], row) * within.scale[slot] + within.gains[slot])


@njit(cache=True)
def _at_least(slots: Slots, values: Floats, most: int) -> Slots:
    """The slots; if they are too many, those of the highest values."""
    if len(slots) <= most:
        return slots
    least = np.partition(values[slots], len(slots) - most)[len(slots) - most]
    highest: Slots = slots[values[slots] >= least]
    return highest


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
