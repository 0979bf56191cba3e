"""What a sketch keeps of a row, and what a row is looked for by: whole numbers of 7 or 8 bits.

The first look compares what the first 128 of 512 buckets hold. Three more of its numbers stand for the last
two columns of a row, which are not folded, and for what noise may hide.
"""

from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from models.cache_lines import aligned_zeros
from models.folding import OWN, WIDTH, folded, folding
from models.instructions import LANES, SIEVE_COLUMNS
from models.means import Means, scale_of
from models.whole_products import ZERO

__all__ = [
    "FIRST_WIDTH",
    "GAIN",
    "LENGTH",
    "TAIL",
    "TILE",
    "TOGETHER",
    "UNIT",
    "Tables",
    "Tiles",
    "first_product",
    "made_tables",
    "put",
    "settle_changes",
    "sought_by",
]

# What 1 stands for, in what is kept and in what is looked for, and in their product. No bucket of a row of
# unit length comes near what that leaves room for.
_KEPT = np.float32(1.0 / 128.0)
_SOUGHT = np.float32(1.0 / 64.0)
UNIT = _KEPT * _SOUGHT
_MOST_KEPT = 127
_MOST_SOUGHT = 63  # see `models.whole_products`
# The last numbers of the first look: each side has a part of the product.
TAIL = 4  # one of no meaning, since products are quickest in fours
FIRST_WIDTH = WIDTH + TAIL
_NOISE, _FIRST, _SECOND = WIDTH, WIDTH + 1, WIDTH + 2
_NOISE_SOUGHT = 10
_NOISE_KEPT = np.float32(1.0 / (UNIT * _NOISE_SOUGHT))
_FIRST_KEPT, _FIRST_SOUGHT = np.float32(512.0), np.float32(16.0)
_SECOND_KEPT, _SECOND_SOUGHT = np.float32(16.0), np.float32(512.0)
# What noise may hide, by the length of the row: a good two times its standard deviation of 0.042.
_COARSE_NOISE = np.float32(0.095)
# Rows that are looked at in one product, which stays in the processor's own cache; no power of two, since
# numbers that are so many bytes apart have the same place there.
TILE = 31 * SIEVE_COLUMNS
_STEPS = FIRST_WIDTH // 4  # of a product of bytes
TOGETHER = 128  # claims that look at once
GAIN, LENGTH, LAST = 0, 3, 4  # facts of a slot; from the last on, the last numbers of its first look
_FACTS = 8

Floats = NDArray[np.float32]
Slots = NDArray[np.intp]


class Tables(NamedTuple):
    """One entry a slot, but for how rows are folded."""

    targets: Slots
    signs: Floats
    facts: Floats  # (n, 8): gain just now, last two columns, length, last four of `coarse`
    scale: Floats
    coarse: NDArray[np.int8]  # (n, 132)
    fine: NDArray[np.int8]  # (n, 3 x 128)
    changed: NDArray[np.bool_]  # put since the last look
    changes: Slots  # these, one after the other


class Tiles(NamedTuple):
    """The same at the last look, TILE slots each, as it is read by what multiplies.

    numbers: (tiles, 132, TILE) for `models.whole_products`; or packed for `models.instructions.sieve`, which
    needs the processor for it, (tiles, TILE / 64, 33, 64, 4): of each step the columns of 64 slots.
    """

    numbers: NDArray[np.int8]
    zeros: NDArray[np.int32]  # (tiles, TILE): the product with a claim that is `ZERO` in all columns
    room: NDArray[np.int32]  # (TOGETHER, TILE + LANES): what a look is written to at first

    @classmethod
    def of(cls, capacity: int, *, packed: bool) -> "Tiles":
        """All zero, for so many slots."""
        count = -(-capacity // TILE)
        shape = (TILE // SIEVE_COLUMNS, _STEPS, SIEVE_COLUMNS, 4) if packed else (FIRST_WIDTH, TILE)
        return cls(
            numbers=aligned_zeros((count, *shape), np.int8),
            zeros=np.zeros((count, TILE), dtype=np.int32),
            room=np.zeros((TOGETHER, TILE + LANES), dtype=np.int32),
        )

    @property
    def packed(self) -> bool:
        """Which of the two."""
        return self.numbers.ndim > 3


def made_tables(dimensions: int, capacity: int) -> Tables:
    """All zero.  Raises ValueError for rows without a dense part."""
    by = folding(dimensions)
    return Tables(
        targets=by.targets,
        signs=by.signs,
        # Read here and there: no slot shares a line of memory that it need not.
        facts=aligned_zeros((capacity, _FACTS), np.float32),
        scale=np.zeros(capacity, dtype=np.float32),
        coarse=np.zeros((capacity, FIRST_WIDTH), dtype=np.int8),
        fine=aligned_zeros((capacity, 3 * WIDTH), np.int8),
        changed=np.zeros(capacity, dtype=np.bool_),
        changes=np.zeros(capacity, dtype=np.intp),
    )


@njit(cache=True)
def _rounded(value: np.float32, most: int) -> int:
    return int(min(max(np.rint(value), np.float32(-most)), np.float32(most)))


@njit(cache=True)
def put(slots: Slots, means: tuple[Any, ...], changed: int, tables: tuple[Any, ...]) -> int:
    """Take in what some slots hold now. Returns how many have changed since the last look.

    means, tables: `Means` and `Tables` as plain tuples, which are handed on in half the time; so are all of
    them that a claim needs.
    """
    into, of = Tables(*tables), Means(*means)
    rows = of.sums
    for slot in slots:
        scale = scale_of(slot, of)
        if not into.changed[slot]:
            into.changed[slot] = True
            into.changes[changed] = slot
            changed += 1
        into.scale[slot] = scale
        sums = folded(rows[slot], into.targets, into.signs)
        total = np.float32(0.0)
        for column in range(len(sums)):
            sums[column] *= scale
            if column < WIDTH:
                total += sums[column] * sums[column]
        coarse, fine, facts = into.coarse[slot], into.fine[slot], into.facts[slot]
        for column in range(WIDTH):
            coarse[column] = _rounded(sums[column] / _KEPT, _MOST_KEPT)
        for column in range(WIDTH, len(sums)):
            fine[column - WIDTH] = _rounded(sums[column] / _KEPT, _MOST_KEPT)
        for column in range(OWN):
            own = rows[slot, column - OWN] * scale
            facts[1 + column] = own
            total += own * own
        facts[LENGTH] = np.sqrt(total)
        coarse[_NOISE] = _rounded(np.ceil(_COARSE_NOISE * facts[LENGTH] * _NOISE_KEPT), _MOST_KEPT)
        coarse[_FIRST] = _rounded(facts[1] * _FIRST_KEPT, _MOST_KEPT)
        coarse[_SECOND] = _rounded(facts[2] * _SECOND_KEPT, _MOST_KEPT)
        for column in range(TAIL):
            facts[LAST + column] = coarse[WIDTH + column]
    return changed


def settle_changes(changed: int, within: Tables, tiles: Tiles) -> None:
    """Bring so many changes into the tiles, before all rows are looked at."""
    changes = within.changes[:changed]
    if tiles.packed:
        _settle_packed(changes, within.coarse, tiles.numbers, tiles.zeros)
    else:
        _settle(np.sort(changes), within.coarse, tiles.numbers)
    within.changed[changes] = False


@njit(cache=True)
def _settle_packed(
    changes: Slots, coarse: NDArray[np.int8], numbers: NDArray[np.int8], zeros: NDArray[np.int32]
) -> None:
    for slot in changes:
        number, place = slot // TILE, slot % TILE
        tile, lane = numbers[number, place // SIEVE_COLUMNS], place % SIEVE_COLUMNS
        total = np.int32(0)
        for step in range(_STEPS):
            for column in range(4):
                value = coarse[slot, 4 * step + column]
                tile[step, lane, column] = value
                total += np.int32(value)
        zeros[number, place] = ZERO * total


@njit(cache=True)
def _settle(changes: Slots, coarse: NDArray[np.int8], numbers: NDArray[np.int8]) -> None:
    # Line by line: from one to the next it is far.
    for column in range(FIRST_WIDTH):
        for slot in changes:
            numbers[slot // TILE, column, slot % TILE] = coarse[slot, column]


@njit(cache=True)
def sought_by(rows: Floats, targets: Slots, signs: Floats) -> NDArray[np.int8]:
    """What rows are looked for by: (n, 132) for the first look, and (n, 3 x 128) for the others."""
    sought = np.zeros((len(rows), FIRST_WIDTH + 3 * WIDTH), dtype=np.int8)
    for place in range(len(rows)):
        sums, into = folded(rows[place], targets, signs), sought[place]
        for column in range(WIDTH):
            into[column] = _rounded(sums[column] / _SOUGHT, _MOST_SOUGHT)
        for column in range(WIDTH, len(sums)):
            into[FIRST_WIDTH - WIDTH + column] = _rounded(sums[column] / _SOUGHT, _MOST_SOUGHT)
        into[_NOISE] = _NOISE_SOUGHT
        into[_FIRST] = _rounded(rows[place, -2] * _FIRST_SOUGHT, _MOST_SOUGHT)
        into[_SECOND] = _rounded(rows[place, -1] * _SECOND_SOUGHT, _MOST_SOUGHT)
    return sought


@njit(cache=True)
def first_product(kept: NDArray[np.int8], sought: NDArray[np.int8]) -> np.int32:
    """Of one row and one claim in the first look, in units of `UNIT`. kept, sought: (132,) or more."""
    total = np.int32(0)
    for column in range(FIRST_WIDTH):
        total += np.int32(kept[column]) * np.int32(sought[column])
    return total
