"""A short stand-in for many long rows, to find the few that are worth comparing exactly.

A row of some 1,400 columns is folded: columns are summed, with fixed signs, into 512 buckets. Inner products
of folded rows are those of the rows plus noise, in proportion to the length of the row that is compared
(count sketch: Charikar, Chen and Farach-Colton 2002). Nothing is learned: a sketch follows from the rows
alone, and a snapshot need not hold it.

The buckets lie in four quarters, of which four sums are kept: that of all, and those with two signs turned
(a Hadamard matrix, which keeps products). The sum of all is itself a sketch of 128 buckets. All rows are
compared by that, and by the others only those that may still be the most similar.
"""

from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import NDArray

from models.lexical import LEXICAL_DIMENSIONS

__all__ = ["Sketch"]

# Buckets of a quarter. Dense columns are few and full, lexical ones are many and nearly empty: folding the
# former costs more, and with vectors of 384 columns the four quarters hold all of it.
_DENSE_QUARTER = 96
_LEXICAL_QUARTER = 32
# What noise may hide, by the length of the row: about four times its standard deviation, which is 0.040 with
# the sum of all quarters and 0.012 with all four sums (over rows of labelled comments).
_COARSE_NOISE = np.float32(0.14)
_FINE_NOISE = np.float32(0.05)
# At most so many go on to the next look.
_MOST_COARSE = 2_048
_MOST_FINE = 192
_APART = 16  # one cache line: columns at distances of a power of two would push one another out
_CHUNK_ROWS = 1_024  # folded at once: bounds the memory of making a sketch anew
_PRIME = np.uint64(0x9E3779B97F4A7C15)
_SHIFT = np.uint64(29)
_SIGN = np.uint64(63)


class Sketch:
    """Rows in slots, each with a scale; zero at first.

    dimensions: length of a row as `models.representation` makes it. capacity: how many slots there are.
    Raises ValueError for rows without a dense part.
    """

    def __init__(self, dimensions: int, capacity: int) -> None:
        self._dense = dimensions - LEXICAL_DIMENSIONS - 2
        if self._dense < 1:
            raise ValueError(f"rows of {dimensions} columns have no dense part")
        self._signs = _signs(self._dense)
        self._folds = -(-self._dense // (4 * _DENSE_QUARTER))
        width = _DENSE_QUARTER + _LEXICAL_QUARTER
        self.scale: NDArray[np.float32] = np.zeros(capacity, dtype=np.float32)
        self._lengths: NDArray[np.float32] = np.zeros(capacity, dtype=np.float32)
        # Compared column by column: one long product of a row is faster so than many short ones.
        self._coarse: NDArray[np.float32] = np.zeros((width + 2, capacity + _APART), dtype=np.float32)
        self._fine: NDArray[np.float32] = np.zeros((capacity, 3 * width + 2), dtype=np.float32)

    @property
    def capacity(self) -> int:
        """How many slots there are."""
        return len(self.scale)

    def put(self, slots: NDArray[np.intp], rows: NDArray[np.float32], scale: NDArray[np.float32]) -> None:
        """Take in what some slots hold now. rows: (all slots, dimensions); slots, scale: (n,).

        What is kept of a row is the same to the bit whatever it comes with.
        """
        self.scale[slots] = scale
        for start in range(0, len(slots), _CHUNK_ROWS):
            chosen = slots[start : start + _CHUNK_ROWS]
            coarse, fine = self._folded(rows[chosen])
            coarse *= self.scale[chosen][:, None]
            fine *= self.scale[chosen][:, None]
            self._coarse[:, chosen] = coarse.T
            self._fine[chosen] = fine
            self._lengths[chosen] = np.sqrt(np.vecdot(coarse, coarse))

    def nearest(
        self,
        row: NDArray[np.float32],
        used: int,
        exact: Callable[[NDArray[np.intp]], NDArray[np.float32]],
        *,
        also: Iterable[int] = (),
        threshold: float,
    ) -> tuple[int, float]:
        """The slot whose scaled row has the highest product with a row, and what `exact` says of it.

        row: (dimensions,), mirrored. used: how many slots to look at. exact: gives the similarities of slots
        (n,), ascending. also: slots to compare in any case. Where none reaches the threshold, another may be
        found than the most similar; above it, seldom (docs/performance.md has figures).
        """
        coarse, fine = self._folded(row[None, :])
        similar, lengths = coarse[0] @ self._coarse[:, :used], self._lengths[:used]
        best = _best(np.array(sorted({int(similar.argmax()), *also}), dtype=np.intp), exact)
        bar = np.float32(max(threshold, -best[0]))  # a good guess first: it rules most others out

        might = similar + _COARSE_NOISE * lengths
        slots = np.flatnonzero(might >= bar)
        slots = slots[_highest(might[slots], _MOST_COARSE)]
        # A product is the mean of those of the four sums.
        finer = (self._fine.take(slots, axis=0) @ fine[0] + similar[slots]) * np.float32(0.25)
        places = np.flatnonzero(finer + _FINE_NOISE * lengths[slots] >= bar)
        slots = slots[places[_highest(finer[places], _MOST_FINE)]]
        if len(slots):
            best = min(best, _best(np.sort(slots), exact))
        return best[1], -best[0]

    def _folded(self, rows: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """The sum of the quarters of rows (n, dimensions), and the three others: (n, width), (n, 3 width).

        Both are followed by the last two columns of the rows, which are not folded.
        """
        count, quarter = len(rows), _DENSE_QUARTER
        width = quarter + _LEXICAL_QUARTER
        dense = np.zeros((count, self._folds * 4 * quarter), dtype=np.float32)
        np.multiply(rows[:, : self._dense], self._signs, out=dense[:, : self._dense])
        lexical = rows[:, self._dense : -2].reshape(count, -1, 4, _LEXICAL_QUARTER)
        quarters = np.empty((count, 4, width), dtype=np.float32)
        np.add.reduce(dense.reshape(count, -1, 4, quarter), axis=1, out=quarters[:, :, :quarter])
        np.add.reduce(lexical, axis=1, out=quarters[:, :, quarter:])
        pairs = np.empty_like(quarters)
        np.add(quarters[:, :2], quarters[:, 2:], out=pairs[:, :2])
        np.subtract(quarters[:, :2], quarters[:, 2:], out=pairs[:, 2:])
        np.add(pairs[:, ::2], pairs[:, 1::2], out=quarters[:, :2])
        np.subtract(pairs[:, ::2], pairs[:, 1::2], out=quarters[:, 2:])
        sums, own = quarters.reshape(count, 4 * width), rows[:, -2:]
        # The mean of the four products shall have these two columns whole: three parts are in the latter.
        return (
            np.concatenate([sums[:, :width], own], axis=1),
            np.concatenate([sums[:, width:], own * np.float32(np.sqrt(3.0))], axis=1),
        )


def _best(
    slots: NDArray[np.intp], exact: Callable[[NDArray[np.intp]], NDArray[np.float32]]
) -> tuple[float, int]:
    """Less the similarity, and the slot: the least of several is the most similar, of equals the first."""
    similar = exact(slots)
    place = int(similar.argmax())
    return -float(similar[place]), int(slots[place])


def _highest(values: NDArray[np.float32], most: int) -> NDArray[np.intp] | slice:
    """The places of the highest values."""
    return np.argpartition(values, -most)[-most:] if len(values) > most else slice(None)


def _signs(count: int) -> NDArray[np.float32]:
    """Fixed, and as if thrown: (count,)."""
    mixed = np.arange(1, count + 1, dtype=np.uint64) * _PRIME
    mixed = (mixed ^ (mixed >> _SHIFT)) * _PRIME
    return np.where(mixed >> _SIGN, 1.0, -1.0).astype(np.float32)
