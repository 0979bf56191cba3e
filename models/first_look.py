"""The first look: which rows may be near enough for each of some claims.

One product of whole numbers for all of them. What is found is the same however claims are put together.
"""

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from models.sketch_tables import FIRST_WIDTH, TILE, UNIT, Tables, first_product, sought_by
from models.whole_products import ZERO, whole_products

__all__ = ["Look", "Looks", "looked_at"]

_TOGETHER = 128  # claims that look at once
_FEW = 4  # fewer claims than this are quicker one by one
_LANES = 8

Floats = NDArray[np.float32]
Slots = NDArray[np.intp]
Whole = NDArray[np.int32]


class Look(NamedTuple):
    """What one claim sees at first: slots, and whole products, (k,) both.

    row: (dimensions,), mirrored. bar: the similarity that matters to it.
    """

    row: Floats
    bar: np.float32
    sought: NDArray[np.int8]  # (132 + 3 x 128,)
    slots: NDArray[np.int32]
    products: Whole


class Looks(NamedTuple):
    """What some claims see at first. starts: (n + 1,), where the slots of each claim begin."""

    rows: Floats
    bars: Floats
    sought: NDArray[np.int8]
    starts: Slots
    slots: NDArray[np.int32]
    products: Whole
    number: int

    def of(self, place: int) -> Look:
        """Those of one claim."""
        own = slice(self.starts[place], self.starts[place + 1])
        return Look(
            self.rows[place], self.bars[place], self.sought[place], self.slots[own], self.products[own]
        )


def looked_at(rows: Floats, bars: Floats, tables: Tables, *, used: int, number: int) -> Looks:
    """What some claims see at first. rows: (n, dimensions), mirrored; bars: (n,); n at least 1.

    used: how many slots to look at. number: of the look.
    """
    sought = sought_by(rows, tables.by)
    parts = [
        _seen(sought[start : start + _TOGETHER], bars[start : start + _TOGETHER], tables, used)
        for start in range(0, len(rows), _TOGETHER)
    ]
    counts = np.concatenate([[0], *(np.diff(starts) for starts, _, _ in parts)])
    return Looks(
        rows,
        bars,
        sought,
        np.cumsum(counts),
        np.concatenate([slots for _, slots, _ in parts]),
        np.concatenate([products for _, _, products in parts]),
        number,
    )


def _seen(
    sought: NDArray[np.int8], bars: Floats, tables: Tables, used: int
) -> tuple[Slots, NDArray[np.int32], Whole]:
    """Where the slots of each claim begin, (n + 1,); the slots; and their products."""
    first = (sought[:, :FIRST_WIDTH] + np.int8(ZERO)).astype(np.uint8)
    least = np.ceil(bars / UNIT).astype(np.int32)
    found = []
    for number, start in enumerate(range(0, used, TILE)):
        if len(bars) < _FEW:
            products = _products_of_few(first, tables.coarse[start : min(start + TILE, used)])
        else:
            products = whole_products(first, tables.tiles[number])
        found.append(_reaching(products, least, start, used))
    claims, slots, products = (np.concatenate([part[k] for part in found]) for k in range(3))
    return _by_claim(claims, slots, products, len(bars))


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
def _reaching(
    products: Whole, least: Whole, start: int, used: int
) -> tuple[NDArray[np.int32], NDArray[np.int32], Whole]:
    """Claims, slots and products of those that reach what is least for the claim.

    products: (claims, slots), of slots from a start on; least: (claims,).
    """
    count, width = 0, min(products.shape[1], used - start)
    claims = np.empty(len(products) * width, dtype=np.int32)
    slots, found = np.empty_like(claims), np.empty_like(claims)
    reach = np.zeros(-(-width // _LANES) * _LANES, dtype=np.uint8)
    lanes = reach.view(np.uint64)
    for claim in range(len(products)):
        line, bar = products[claim], least[claim]
        for place in range(width):
            reach[place] = line[place] >= bar
        for lane in range(len(lanes)):
            if lanes[lane]:
                for place in range(lane * _LANES, min((lane + 1) * _LANES, width)):
                    # Written in any case: what is found seldom is not foreseen by the processor.
                    claims[count], slots[count], found[count] = claim, start + place, line[place]
                    count += reach[place]
    return claims[:count].copy(), slots[:count].copy(), found[:count].copy()


@njit(cache=True)
def _by_claim(
    claims: NDArray[np.int32], slots: NDArray[np.int32], products: Whole, count: int
) -> tuple[Slots, NDArray[np.int32], Whole]:
    """The same, claim by claim, and where each claim begins: (count + 1,)."""
    starts = np.zeros(count + 1, dtype=np.intp)
    for claim in claims:
        starts[claim + 1] += 1
    starts = np.cumsum(starts)
    nexts, sorted_slots, sorted_products = starts.copy(), np.empty_like(slots), np.empty_like(products)
    for number in range(len(claims)):
        place = nexts[claims[number]]
        nexts[claims[number]] += 1
        sorted_slots[place], sorted_products[place] = slots[number], products[number]
    return starts, sorted_slots, sorted_products
