"""The first look: which rows may be near enough for each of some claims.

One product of whole numbers for all of them. What is found is the same however claims are put together.
"""

from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from models.instructions import SIEVE_COLUMNS, SIEVE_ROWS, SIEVE_SHIFT, sieve
from models.sketch_tables import (
    FIRST_WIDTH,
    TILE,
    TOGETHER,
    UNIT,
    Tables,
    Tiles,
    first_product,
    sought_by,
)
from models.whole_products import ZERO, whole_products

__all__ = ["Look", "Looks", "looked_at"]

_FEW = 4  # fewer claims than this are quicker one by one
_LANES = 8
_SHIFT, _PLACE = np.int32(SIEVE_SHIFT), np.int32(2**SIEVE_SHIFT - 1)

Floats = NDArray[np.float32]
Slots = NDArray[np.intp]
Whole = NDArray[np.int32]
_Reached = tuple[Slots, NDArray[np.int32], Whole]


class Look(NamedTuple):
    """What one claim sees at first: slots, and whole products, in some stretches of what several see.

    row: (dimensions,), mirrored. bar: the similarity that matters to it. starts, ends: of the stretches.
    """

    row: Floats
    bar: np.float32
    sought: NDArray[np.int8]  # (132 + 3 x 128,)
    starts: Slots
    ends: Slots
    slots: NDArray[np.int32]
    products: Whole


class _Part(NamedTuple):
    """What those see who look in one product. starts, ends: (n, tiles)."""

    starts: Slots
    ends: Slots
    slots: NDArray[np.int32]
    products: Whole


class Looks(NamedTuple):
    """What some claims see at first, so many of them in each part."""

    rows: Floats
    bars: Floats
    sought: NDArray[np.int8]
    parts: list[_Part]
    number: int

    def of(self, place: int) -> tuple[Any, ...]:
        """That of one claim: a `Look`, as a plain tuple, which is handed on in half the time."""
        part, own = self.parts[place // TOGETHER], place % TOGETHER
        return (
            self.rows[place],
            self.bars[place],
            self.sought[place],
            part.starts[own],
            part.ends[own],
            part.slots,
            part.products,
        )

    def seen(self) -> NDArray[np.int32]:
        """All slots, in no order, some of them several times."""
        return np.concatenate([part.slots for part in self.parts])


def looked_at(rows: Floats, bars: Floats, within: tuple[Tables, Tiles], *, used: int, number: int) -> Looks:
    """What some claims see at first. rows: (n, dimensions), mirrored; bars: (n,); n at least 1.

    used: how many slots to look at. number: of the look.
    """
    sought = sought_by(rows, within[0].targets, within[0].signs)
    parts = []
    for start in range(0, len(rows), TOGETHER):
        claims = slice(start, start + TOGETHER)
        first = (sought[claims, :FIRST_WIDTH] + np.int8(ZERO)).astype(np.uint8)
        least = np.ceil(bars[claims] / UNIT).astype(np.int32)
        parts.append(_in_order(_seen(first, least, within, used)))
    return Looks(rows, bars, sought, parts, number)


def _in_order(found: list[_Reached]) -> _Part:
    """Tile by tile, and there claim by claim."""
    counts = np.stack([counts for counts, _, _ in found])
    slots, reached = (np.concatenate([part[k] for part in found]) for k in (1, 2))
    ends = counts.cumsum().reshape(counts.shape)
    return _Part(np.ascontiguousarray((ends - counts).T), np.ascontiguousarray(ends.T), slots, reached)


def _seen(first: NDArray[np.uint8], least: Whole, within: tuple[Tables, Tiles], used: int) -> list[_Reached]:
    """Of each tile. first: (claims, 132), about ZERO; least: (claims,)."""
    tables, tiles = within
    starts = range(0, used, TILE)
    if len(first) >= _FEW and tiles.packed:
        missing = -len(first) % SIEVE_ROWS  # claims that nothing is near enough for
        rows = np.pad(first, ((0, missing), (0, 0)))
        bars = np.pad(least, (0, missing), constant_values=np.iinfo(np.int32).max)
        return [_sieved(rows, bars, tuple(tiles), number, used) for number in range(len(starts))]
    if len(first) < _FEW:
        parts = (_products_of_few(first, tables.coarse[start : min(start + TILE, used)]) for start in starts)
    else:
        parts = (whole_products(first, tiles.numbers[number]) for number in range(len(starts)))
    return [_reaching(products, least, start, used) for products, start in zip(parts, starts, strict=True)]


@njit(cache=True)
def _sieved(
    first: NDArray[np.uint8], least: Whole, tiles: tuple[Any, ...], number: int, used: int
) -> tuple[Slots, NDArray[np.int32], Whole]:
    """What `_reaching` returns, of a packed tile, without products in between. tiles: `Tiles`, as a tuple."""
    start, of = number * TILE, Tiles(*tiles)
    tile, zeros, room = of.numbers[number], of.zeros[number], of.room
    counts = np.zeros(len(first), dtype=np.int64)
    for block in range(-(-min(TILE, used - start) // SIEVE_COLUMNS)):
        for claim in range(0, len(first), SIEVE_ROWS):
            sieve(
                first[claim].ctypes.data,
                first.shape[1],
                tile[block].ctypes.data,
                tile.shape[1],
                zeros[block * SIEVE_COLUMNS :].ctypes.data,
                least[claim:].ctypes.data,
                block * SIEVE_COLUMNS,
                room[claim].ctypes.data,
                room.shape[1] * room.itemsize,
                counts[claim:].ctypes.data,
            )
    for claim in range(len(first)):
        while counts[claim] and start + (room[claim, counts[claim] - 1] & _PLACE) >= used:
            counts[claim] -= 1
    total, behind = counts.sum(), 0
    slots, reached = np.empty(total, dtype=np.int32), np.empty(total, dtype=np.int32)
    for claim in range(len(first)):
        for place in range(counts[claim]):
            both = room[claim, place]
            slots[behind + place] = np.int32(start) + (both & _PLACE)
            reached[behind + place] = both >> _SHIFT
        behind += counts[claim]
    return counts, slots, reached


@njit(cache=True)
def _products_of_few(first: NDArray[np.uint8], coarse: NDArray[np.int8]) -> Whole:
    """What `whole_products` returns, (claims, slots), without what it costs to begin."""
    products = np.empty((len(first), len(coarse)), dtype=np.int32)
    for claim in range(len(first)):
        sought = (first[claim].astype(np.int16) - np.int16(ZERO)).astype(np.int8)
        for slot in range(len(coarse)):
            products[claim, slot] = first_product(coarse[slot], sought)
    return products


@njit(cache=True)
def _reaching(products: Whole, least: Whole, start: int, used: int) -> tuple[Slots, NDArray[np.int32], Whole]:
    """How many slots reach what is least for each claim; these, claim by claim; and their products.

    products: (claims, slots), of slots from a start on; least: (claims,).
    """
    width = min(products.shape[1], used - start)
    reach = np.zeros(-(-width // _LANES) * _LANES, dtype=np.uint8)
    lanes = reach.view(np.uint64)
    some = np.empty(len(lanes), dtype=np.intp)
    places, counts = (
        np.empty(len(products) * len(reach), dtype=np.int32),
        np.empty(len(products), dtype=np.intp),
    )
    count = 0
    # Nothing here is decided by what is found, but how much is written: processors do not foresee that.
    for claim in range(len(products)):
        line, bar, before, found = products[claim], least[claim], count, 0
        for place in range(width):
            reach[place] = line[place] >= bar
        for lane in range(len(lanes)):
            some[found] = lane * _LANES
            found += lanes[lane] != 0
        for number in range(found):
            for place in range(some[number], some[number] + _LANES):
                places[count] = place
                count += reach[place]
        counts[claim] = count - before
    slots, reached = np.empty(count, dtype=np.int32), np.empty(count, dtype=np.int32)
    number = 0
    for claim in range(len(products)):
        line = products[claim]
        for _ in range(counts[claim]):
            reached[number] = line[places[number]]
            slots[number] = start + places[number]
            number += 1
    return counts, slots, reached
