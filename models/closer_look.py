"""The closer look: of the rows that may be near enough for a claim, the one that is nearest.

A good guess first, since it rules most others out; then more sums; then the rows themselves. Rows may have
changed since the first look. What is found depends on the rows alone, not on when the first look was.
"""

from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from models.cache_lines import LINE
from models.first_look import Look
from models.folding import WIDTH
from models.instructions import prefetch
from models.similarity import similarity
from models.sketch_tables import FIRST_WIDTH, GAIN, LAST, LENGTH, TAIL, UNIT, Tables, first_product, put

__all__ = ["nearest_of"]

# What noise may hide, by the length of the row: two to three times its standard deviation, which is
# 0.027 with two of the four sums and 0.015 with all of them. What is missed by this is near the threshold,
# and found by the next review.
_MIDDLE_NOISE = np.float32(0.06)
_FINE_NOISE = np.float32(0.043)
# At most so many go on to the next look.
_MOST_COARSE = 2_048
_MOST_FINE = 192
_GUESSES = 8
_ANY = np.float32(-np.inf)  # less than any product
_NONE = -1
_AHEAD = 8  # slots

Floats = NDArray[np.float32]
Slots = NDArray[np.intp]
Whole = NDArray[np.int32]


class _Near(NamedTuple):
    """Slots, in no order; their products in the first look; and at most what they are."""

    slots: Slots
    products: Whole
    might: Floats


@njit(cache=True)
def nearest_of(
    seen_first: tuple[Any, ...],
    means: tuple[Any, ...],
    renewed: tuple[Slots, int],
    gained: tuple[Slots, Floats],
    tables: tuple[Any, ...],
) -> tuple[int, np.float32, int]:
    """The slot of the highest product with a claim, and that; -1 where none reaches the bar.

    Besides, how many slots have changed since the look. seen_first, means, tables: `Look`, `Means` and
    `Tables`, as plain tuples. renewed: slots that are to be `put` before, and how many have changed
    already. gained: slots, and what their products gain.
    """
    changed = put(renewed[0], means, renewed[1], tables)
    look, within = Look(*seen_first), Tables(*tables)
    row, bar, rows = look.row, look.bar, means[0]
    within.facts[gained[0], GAIN] = gained[1]
    again = _looked_again(look, within.changes[:changed], gained[0], within)
    best, highest = _guess(look, again, within), _ANY
    if best != _NONE:
        highest = _exact(best, row, rows, within.scale, within.facts)
        bar = max(bar, highest)
        near = _near(look, again, bar, within)
        slots, finer = _looked_closer(near, look, bar, within)
        chosen = _at_least(finer, bar, _MOST_FINE)
        slots, finer = slots[chosen], finer[chosen]
        for _ in range(len(slots)):
            number = _first_of_highest(finer, slots)
            if finer[number] < max(bar, highest):
                break
            finer[number] = _ANY
            similar = _exact(slots[number], row, rows, within.scale, within.facts)
            if similar > highest or (similar == highest and slots[number] < best):
                best, highest = slots[number], similar
    within.facts[gained[0], GAIN] = np.float32(0.0)
    return (best if highest >= look.bar else _NONE), highest, changed


@njit(cache=True)
def _looked_again(look: Look, changed: Slots, gained: Slots, within: Tables) -> _Near:
    """The slots that changed since the look, or gain, and may reach the bar as they are now."""
    most = len(changed) + len(gained)
    slots, products = np.empty(most, dtype=np.intp), np.empty(most, dtype=np.int32)
    might = np.empty(most, dtype=np.float32)
    is_changed, facts, coarse = within.changed, within.facts, within.coarse
    sought, bar, count = look.sought, look.bar, 0
    for number in range(most):
        slot = changed[number] if number < len(changed) else gained[number - len(changed)]
        if number >= len(changed) and (is_changed[slot] or facts[slot, GAIN] == 0.0):
            continue  # it was looked at, or is seen
        product = first_product(coarse[slot], sought)
        value = np.float32(product) * UNIT + facts[slot, GAIN]
        if value >= bar:
            slots[count], products[count], might[count] = slot, product, value
            count += 1
    return _Near(slots[:count], products[:count], might[:count])


@njit(cache=True)
def _guess(look: Look, again: _Near, within: Tables) -> int:
    """The slot that may be the best by all sums, of some that are it by the first; -1 where there is none.

    Facts of slots are asked for only where they matter: they lie apart, and the memory is slow.
    """
    best = _Near(
        np.full(_GUESSES, _NONE, dtype=np.intp),
        np.zeros(_GUESSES, dtype=np.int32),
        np.full(_GUESSES, _ANY, dtype=np.float32),
    )
    is_changed, facts = within.changed, within.facts
    for number in range(len(again.slots)):
        _enter(again.slots[number], again.products[number], again.might[number], best)
    for stretch in range(len(look.starts)):
        for number in range(look.starts[stretch], look.ends[stretch]):
            product = look.products[number]
            value = np.float32(product) * UNIT
            if value >= best.might[-1]:
                slot = look.slots[number]
                if not is_changed[slot] and facts[slot, GAIN] == 0.0:
                    _enter(slot, product, value, best)
    some = int((best.slots != _NONE).sum())
    if some == 0:
        return _NONE
    best = _Near(best.slots[:some], best.products[:some], best.might[:some])
    closer, values = _looked_closer(best, look, _ANY, within)
    return int(closer[_first_of_highest(values, closer)])


@njit(cache=True)
def _enter(slot: int, product: np.int32, value: np.float32, best: _Near) -> None:
    """Put a slot where it belongs among the best ones, which are in order, if it does."""
    slots, products, might = best
    place = len(slots)
    while place and (
        slots[place - 1] == _NONE
        or value > might[place - 1]
        or (value == might[place - 1] and slot < slots[place - 1])
    ):
        place -= 1
    if place == len(slots):
        return
    for later in range(len(slots) - 1, place, -1):
        slots[later], products[later] = slots[later - 1], products[later - 1]
        might[later] = might[later - 1]
    slots[place], products[place], might[place] = slot, product, value


@njit(cache=True)
def _near(look: Look, again: _Near, bar: np.float32, within: Tables) -> _Near:
    """All slots that may reach the bar; if they are too many, only those that may be the highest."""
    most = (look.ends - look.starts).sum()
    numbers, count = np.empty(most, dtype=np.intp), 0
    least = np.int32(np.ceil(bar / UNIT))
    for stretch in range(len(look.starts)):
        for number in range(look.starts[stretch], look.ends[stretch]):
            numbers[count] = number
            count += look.products[number] >= least
    slots = np.empty(count + len(again.slots), dtype=np.intp)
    products, might = np.empty(len(slots), dtype=np.int32), np.empty(len(slots), dtype=np.float32)
    is_changed, facts, held = within.changed, within.facts, 0
    for place in range(count):
        if place + _AHEAD < count:
            _ask_for(look.slots[numbers[place + _AHEAD]], within)
        number = numbers[place]
        slot = look.slots[number]
        if not is_changed[slot] and facts[slot, GAIN] == 0.0:
            slots[held], products[held] = slot, look.products[number]
            might[held] = np.float32(products[held]) * UNIT
            held += 1
    for number in range(len(again.slots)):
        slots[held], products[held], might[held] = (
            again.slots[number],
            again.products[number],
            again.might[number],
        )
        held += again.might[number] >= bar
    if held <= _MOST_COARSE:
        return _Near(slots[:held], products[:held], might[:held])
    chosen = _at_least(might[:held], bar, _MOST_COARSE)
    return _Near(slots[chosen], products[chosen], might[chosen])


@njit(cache=True)
def _ask_for(slot: int, within: Tables) -> None:
    """What is read first of a slot: by the time it is, it has come from memory, which takes long."""
    prefetch(within.facts[slot].ctypes.data)
    prefetch(within.fine[slot].ctypes.data)
    prefetch(within.fine[slot, LINE:].ctypes.data)


@njit(cache=True)
def _looked_closer(near: _Near, look: Look, bar: np.float32, within: Tables) -> tuple[Slots, Floats]:
    """Those of some slots that may still reach a bar by the other sums, and at most what they are."""
    # Names of their own: to hand the tables on for each slot would take longer than all the rest.
    fine, facts, near_slots, products = within.fine, within.facts, near.slots, near.products
    others, last = look.sought[FIRST_WIDTH:], look.sought[WIDTH:FIRST_WIDTH].astype(np.int32)
    one, other = look.row[-2], look.row[-1]
    slots, finer = np.empty(len(products), dtype=np.intp), np.empty(len(products), dtype=np.float32)
    totals, count = np.empty(len(products), dtype=np.int32), 0
    for number in range(len(products)):
        slot = near_slots[number]
        own = facts[slot]
        rest = own[GAIN] + own[1] * one + own[2] * other
        # A product is the mean of those of as many sums as are looked at.
        total = products[number] + _middle_product(fine[slot], others)
        for column in range(TAIL):
            total -= np.int32(own[LAST + column]) * last[column]
        slots[count], totals[count] = slot, total
        count += np.float32(total) * (UNIT * np.float32(0.5)) + rest + _MIDDLE_NOISE * own[LENGTH] >= bar
    for place in range(count):
        if place + _AHEAD < count:
            for line in range(WIDTH, 3 * WIDTH, LINE):
                prefetch(fine[slots[place + _AHEAD], line:].ctypes.data)
        slot = slots[place]
        own = facts[slot]
        rest = own[GAIN] + own[1] * one + own[2] * other
        total = totals[place] + _last_product(fine[slot], others)
        finer[place] = np.float32(total) * (UNIT * np.float32(0.25)) + rest + _FINE_NOISE * own[LENGTH]
    return slots[:count], finer[:count]


@njit(cache=True)
def _middle_product(fine: NDArray[np.int8], others: NDArray[np.int8]) -> np.int32:
    """Of the second sum."""
    total = np.int32(0)
    for column in range(WIDTH):
        total += np.int32(fine[column]) * np.int32(others[column])
    return total


@njit(cache=True)
def _last_product(fine: NDArray[np.int8], others: NDArray[np.int8]) -> np.int32:
    """Of the third and fourth sum."""
    total = np.int32(0)
    for column in range(WIDTH, 3 * WIDTH):
        total += np.int32(fine[column]) * np.int32(others[column])
    return total


@njit(cache=True)
def _exact(slot: int, row: Floats, rows: Floats, scale: Floats, facts: Floats) -> np.float32:
    return np.float32(similarity(rows[slot], row) * scale[slot] + facts[slot, GAIN])


@njit(cache=True)
def _first_of_highest(values: Floats, slots: Slots) -> int:
    """Where the highest value is; of equals, the lowest slot's."""
    first = 0
    for number in range(1, len(values)):
        if values[number] > values[first] or (
            values[number] == values[first] and slots[number] < slots[first]
        ):
            first = number
    return first


@njit(cache=True)
def _at_least(values: Floats, bar: np.float32, most: int) -> Slots:
    """Where values reach the bar; if they are too many, only the highest."""
    near = np.flatnonzero(values >= bar)
    if len(near) > most:
        least = np.partition(values[near], len(near) - most)[len(near) - most]
        near = near[values[near] >= least]
    return near
