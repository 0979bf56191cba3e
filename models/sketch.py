"""A short stand-in for many long rows, to find the few that are worth comparing exactly.

Rows are folded (see `models.folding`) and kept as whole numbers, which take a fourth of the memory and add up
to the same in any order. Claims look at all rows together (`Sketch.look`); what may be near enough for a
claim is then looked at more closely, for each claim by itself, with the rows as they are by then
(`Sketch.nearest`).
"""

from itertools import count
from typing import TypeAlias

import numpy as np

from models.closer_look import nearest_of
from models.first_look import Floats, Looks, Slots, looked_at
from models.instructions import can_multiply_bytes
from models.means import Means
from models.sketch_tables import Tiles, made_tables, put, settle_changes

__all__ = ["Sketch"]

Gains: TypeAlias = tuple[Slots, Floats]
_NUMBERS = count(1)  # of looks, whatever the sketch
_NONE: Slots = np.zeros(0, dtype=np.intp)
_NO_GAINS: Gains = _NONE, np.zeros(0, dtype=np.float32)


class Sketch:
    """Means in slots; zero at first.

    dimensions: length of a row as `models.representation` makes it; without the last two columns, means
    are no longer than 1. capacity: how many slots there are. Raises ValueError for rows without
    a dense part.
    """

    def __init__(self, dimensions: int, capacity: int) -> None:
        self.capacity = capacity
        self._tables = made_tables(dimensions, capacity)
        self._plain = tuple(self._tables)
        self._tiles = Tiles.of(capacity, packed=can_multiply_bytes())
        self._changed = 0  # how many
        self._number = 0

    def put(self, slots: Slots, means: Means) -> None:
        """Take in what some slots hold now, (n,).

        What is kept of a row is the same to the bit whatever it comes with.
        """
        self._changed = put(slots, tuple(means), self._changed, self._plain)

    def look(self, rows: Floats, bars: Floats, *, used: int) -> Looks:
        """What some claims see at first. rows: (n, dimensions), mirrored; bars: (n,); n at least 1.

        used: how many slots to look at. Ends what an earlier look may be used for.
        """
        settle_changes(self._changed, self._tables, self._tiles)
        self._changed = 0
        self._number = next(_NUMBERS)
        return looked_at(rows, bars, (self._tables, self._tiles), used=used, number=self._number)

    def is_current(self, looks: Looks) -> bool:
        """Whether no other look came after this one."""
        return looks.number == self._number

    def nearest(
        self, looks: Looks, place: int, means: Means, *, fresh: Slots = _NONE, gained: Gains = _NO_GAINS
    ) -> tuple[int, float]:
        """The slot whose mean has the highest product with a row, and that product.

        looks, place: which claim. fresh: slots that are to be `put` first; the others are as they were put.
        gained: slots, and what their products gain. Slot -1 where none reaches the claim's bar; what does, is
        seldom missed (docs/performance.md has figures). Raises ValueError when another look came after this
        one.
        """
        if not self.is_current(looks):
            raise ValueError("rows were looked at anew since")
        slot, product, self._changed = nearest_of(
            looks.of(place), tuple(means), (fresh, self._changed), gained, self._plain
        )
        return slot, float(product)

    def reaching(self, rows: Floats, bar: float, *, used: int) -> Slots:
        """Slots, ascending, whose means may have a product of at least the bar with one of some rows.

        rows: (n, dimensions), mirrored; n at least 1. Ends what an earlier look may be used for.
        """
        looks = self.look(rows, np.full(len(rows), bar, dtype=np.float32), used=used)
        return np.unique(looks.seen()).astype(np.intp)
