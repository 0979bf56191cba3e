"""Where the narratives lie: the sum of each narrative's rows, in flat arrays.

A sum has two parts: the rows of claims still in the window, which are made anew at every review, and those of
claims that have left it, which are settled. A narrative is known by its `uid`, a counter that never repeats;
its slot in the arrays is reused.

Comparing a claim with ten thousand sums takes milliseconds. From some hundreds on, `models.sketch` chooses
which are compared.
"""

import heapq
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numba import njit
from numpy.typing import NDArray

from models.first_look import Looks
from models.means import Means, scale_of, trusted
from models.parts import Rest
from models.representation import mirrored
from models.similarity import similarity
from models.sketch import Sketch

__all__ = ["CentroidState", "Centroids", "Glance", "KeptSums"]

_FIRST_CAPACITY = 64
_EXACT_UP_TO = 256  # narratives: so many are compared without a sketch, as fast as with one
_NONE = -1
_LEAST_TRUST = 0.7  # in a sum of three claims or more, for what doubt is
_NOTHING = np.zeros(0, dtype=np.float32)
_NO_SLOTS = np.zeros(0, dtype=np.intp)
_NEVER = np.float32(-2.0)  # below any mean of inner products


class KeptSums(msgspec.Struct, frozen=True):
    """What has left the window of a narrative's sum, and its slot. Numbers are little endian float32."""

    slot: int
    seen_ms: int
    size: float
    total: bytes


class Glance(NamedTuple):
    """Some claims, mirrored, what counts for each, and what they see at first where narratives are many."""

    rows: NDArray[np.float32]
    thresholds: NDArray[np.float32]
    looks: Looks | None


class CentroidState(msgspec.Struct, frozen=True):
    """What changes with every claim: the sums of narratives with claims in the window, (uid, size, sum)."""

    next_uid: int
    used: int
    active: list[tuple[int, float, bytes]]


class Centroids:
    """Sums, sizes and last activity of the narratives in hot state.

    dimensions: length of a row. idle_factor: how much more similar a claim must be to a narrative that has no
    claim left in the window. doubt: pairs of no similarity that count in every mean. exact_up_to: how many
    narratives are compared without a sketch. Slots are given out lowest first: equal histories have equal
    arrays.
    """

    def __init__(
        self, dimensions: int, idle_factor: float, doubt: float = 0.0, *, exact_up_to: int = _EXACT_UP_TO
    ) -> None:
        self._dimensions = dimensions
        self._idle_factor = np.float32(idle_factor)
        self._doubt = np.float32(doubt)
        self._exact_up_to = exact_up_to
        self._sketch: Sketch | None = None  # made when it is first needed
        self._stale: set[int] = set()  # slots that have changed since they were put into the sketch
        self._next_uid = 0
        self._used = 0  # slots below this have been given out at least once
        self._clear()
        self._free: list[int] = []
        self._slot_of: dict[int, int] = {}

    def _clear(self) -> None:
        """No narratives, and arrays for some."""
        self._sums: NDArray[np.float32] = np.zeros((_FIRST_CAPACITY, self._dimensions), dtype=np.float32)
        self._sizes: NDArray[np.float32] = np.zeros(_FIRST_CAPACITY, dtype=np.float32)
        self._settled_sums = np.zeros_like(self._sums)
        self._settled_sizes = np.zeros_like(self._sizes)
        self._active: NDArray[np.bool_] = np.zeros(_FIRST_CAPACITY, dtype=np.bool_)
        self._seen_ms: NDArray[np.int64] = np.zeros(_FIRST_CAPACITY, dtype=np.int64)
        self._uids: NDArray[np.int64] = np.full(_FIRST_CAPACITY, _NONE, dtype=np.int64)

    def __len__(self) -> int:
        return len(self._slot_of)

    def create(self, now_ms: int) -> int:
        """A new narrative without claims; returns its uid."""
        slot = self._take_slot()
        uid, self._next_uid = self._next_uid, self._next_uid + 1
        self._uids[slot], self._seen_ms[slot], self._active[slot] = uid, now_ms, True
        self._slot_of[uid] = slot
        self._stale.add(slot)
        return uid

    def add(self, uid: int, row: NDArray[np.float32], now_ms: int) -> None:
        """Count one more claim of the window to a narrative. row: (dimensions,) or the sum of several."""
        slot = self._slot_of[uid]
        total = self._sums[slot]
        total += row  # not by the slot: numpy would then write twice
        self._sizes[slot] += 1.0
        self._active[slot] = True
        self._stale.add(slot)
        self._seen_ms[slot] = max(int(self._seen_ms[slot]), now_ms)

    def touch(self, uid: int, now_ms: int) -> None:
        """A narrative was seen."""
        slot = self._slot_of[uid]
        self._seen_ms[slot] = max(int(self._seen_ms[slot]), now_ms)

    def settle(self, uid: int, row: NDArray[np.float32]) -> None:
        """A claim leaves the window: its row is final. `refresh` makes it count."""
        slot = self._slot_of[uid]
        self._settled_sums[slot] += row
        self._settled_sizes[slot] += 1.0

    def refresh(self, rows: NDArray[np.float32], owners: NDArray[np.int64]) -> None:
        """Make all sums anew. rows: (n, dimensions) of the window; owners: (n,) uids, -1 for none."""
        # The others have no claim in the window: what they hold is settled.
        before = np.flatnonzero(self._active)
        self._sums[before], self._sizes[before] = self._settled_sums[before], self._settled_sizes[before]
        self._active[before] = False
        self._stale.update(before.tolist())
        places = np.flatnonzero(owners != _NONE)
        slots = np.array([self._slot_of[uid] for uid in owners[places].tolist()], dtype=np.intp)
        _add_up(self._sums, self._sizes, slots, rows, places)
        self._active[slots] = True
        self._stale.update(slots.tolist())

    def merge(self, keep: int, gone: int) -> None:
        """Move all of `gone` into `keep`; `gone` ceases to exist."""
        into, out = self._slot_of[keep], self._slot_of[gone]
        self._sums[into] += self._sums[out]
        self._sizes[into] += self._sizes[out]
        self._settled_sums[into] += self._settled_sums[out]
        self._settled_sizes[into] += self._settled_sizes[out]
        self._active[into] |= self._active[out]
        self._seen_ms[into] = max(int(self._seen_ms[into]), int(self._seen_ms[out]))
        self._stale.add(into)
        self.drop(gone)

    def drop(self, uid: int) -> None:
        """Forget a narrative."""
        slot = self._slot_of.pop(uid)
        for array in (self._sums, self._sizes, self._settled_sums, self._settled_sizes):
            array[slot] = 0.0
        self._active[slot], self._uids[slot] = False, _NONE
        self._stale.add(slot)
        heapq.heappush(self._free, slot)

    def glance(self, rows: NDArray[np.float32], thresholds: NDArray[np.float32]) -> Glance:
        """A first look at all narratives, for some claims together: with many narratives it saves most time.

        rows: (n, dimensions); thresholds: (n,), the similarity that counts for each. It may be used until the
        next one, whatever happens to narratives meanwhile.
        """
        others = mirrored(rows)
        looks = self._looked(others, thresholds) if len(rows) and self._has_many() else None
        return Glance(others, thresholds, looks)

    def nearest(
        self, glance: Glance, place: int, uids: Sequence[int] = (), gains: NDArray[np.float32] = _NOTHING
    ) -> tuple[int, float]:
        """The uid of the narrative most similar to a claim, and the similarity; -1 and -2.0 without any.

        Similarity to an idle narrative is divided by the idle factor. uids, gains: narratives, and what the
        sum of products of the row and their claims gains, (n,). Where none reaches the threshold, and there
        are many, none need be returned.
        """
        if not self._slot_of:
            return _NONE, float(_NEVER)
        gained = _NO_SLOTS
        if uids:
            gained = np.fromiter(map(self._slot_of.__getitem__, uids), dtype=np.intp, count=len(uids))
            gains = gains / self._trusted(gained)
        if self._has_many():
            slot, found = self._sought(glance, place, (gained, gains))
        else:
            similar = _all_products(self._used, tuple(self._means()), glance.rows[place])
            similar[gained] += gains
            similar[self._uids[: self._used] == _NONE] = _NEVER
            slot = int(similar.argmax())
            found = float(similar[slot])
        uid = _NONE if slot == _NONE else int(self._uids[slot])
        return uid, (float(_NEVER) if uid == _NONE else found)

    def _has_many(self) -> bool:
        return len(self._slot_of) > self._exact_up_to

    def _looked(self, others: NDArray[np.float32], thresholds: NDArray[np.float32]) -> Looks:
        return self._fresh_sketch().look(others, thresholds, used=self._used)

    def _sought(
        self, glance: Glance, place: int, gained: tuple[NDArray[np.intp], NDArray[np.float32]]
    ) -> tuple[int, float]:
        """The slot, -1 for none, and the similarity."""
        sketch, looks = self._own_sketch(), glance.looks
        if looks is None or not sketch.is_current(looks):
            # There were few narratives, or the arrays have grown: as if it came by itself.
            here = slice(place, place + 1)
            looks, place = self._looked(glance.rows[here], glance.thresholds[here]), 0
        return sketch.nearest(looks, place, self._means(), fresh=self._taken_stale(), gained=gained)

    def _trusted(self, slots: NDArray[np.intp]) -> NDArray[np.float32]:
        """What sums are divided by to be means, as far as they are trusted."""
        sizes: NDArray[np.float32] = _all_trusted(self._sizes[slots], self._doubt)
        return sizes

    def _means(self) -> Means:
        return Means(self._sums, self._sizes, self._active, self._doubt, self._idle_factor)

    def _own_sketch(self) -> Sketch:
        """The sketch of all means, which need not be fresh."""
        if self._sketch is None or self._sketch.capacity < len(self._sizes):
            self._sketch = Sketch(self._dimensions, len(self._sizes))
            self._stale = set(range(self._used))
        return self._sketch

    def _fresh_sketch(self) -> Sketch:
        """The sketch of all means, as trusted and as idle as they are now."""
        sketch = self._own_sketch()
        sketch.put(self._taken_stale(), self._means())
        return sketch

    def _taken_stale(self) -> NDArray[np.intp]:
        """Slots that are about to be put into the sketch, in any order: they do not touch one another."""
        if not self._stale:
            return _NO_SLOTS
        slots = np.fromiter(self._stale, np.intp, len(self._stale))
        self._stale.clear()
        return slots

    def related(self, rows: NDArray[np.float32], threshold: float, but: Iterable[int] = ()) -> list[int]:
        """Uids, ascending, of narratives that some of the rows (n, dimensions) could join, but for some."""
        if not self._slot_of or not len(rows):
            return []
        others = mirrored(rows)
        slots = np.arange(self._used)
        if len(self._slot_of) > self._exact_up_to:
            slots = self._fresh_sketch().reaching(others, _LEAST_TRUST * threshold, used=self._used)
        asked = self._uids[slots] != _NONE
        asked &= ~np.isin(slots, [self._slot_of[uid] for uid in but])
        slots = slots[asked]
        means = self._sums[slots] / np.maximum(self._sizes[slots], 1.0)[:, None]
        wanted = np.where(self._active[slots], np.float32(1.0), self._idle_factor) * np.float32(threshold)
        near = (means @ others.T).max(axis=1, initial=_NEVER) >= wanted
        return sorted(self._uids[slots[near]].tolist())

    def items(
        self, uids: list[int], rest: Rest | None = None
    ) -> tuple[NDArray[np.float32], NDArray[np.float64], NDArray[np.bool_]]:
        """Sums (n, dimensions), sizes (n,) and whether active (n,) of some narratives.

        rest: what is settled and these claims are meant, not all.
        """
        slots = np.array([self._slot_of[uid] for uid in uids], dtype=np.intp)
        if rest is None:
            return self._sums[slots], self._sizes[slots].astype(np.float64), self._active[slots]
        sums, sizes = self._settled_sums[slots], self._settled_sizes[slots]
        item = {uid: number for number, uid in enumerate(uids)}
        places = np.array([place for place, uid in enumerate(rest.owners) if uid in item], dtype=np.intp)
        items = np.array([item[rest.owners[place]] for place in places], dtype=np.intp)
        _add_up(sums, sizes, items, rest.rows, places)
        return sums, sizes.astype(np.float64), self._active[slots]

    def is_settled(self, uid: int) -> bool:
        """Whether some claims of a narrative have left the window."""
        return bool(self._settled_sizes[self._slot_of[uid]])

    def size(self, uid: int) -> float:
        """How many claims a narrative has."""
        return float(self._sizes[self._slot_of[uid]])

    def mean(self, uid: int) -> NDArray[np.float32]:
        """Mean row of a narrative, (dimensions,)."""
        slot = self._slot_of[uid]
        mean: NDArray[np.float32] = self._sums[slot] / self._sizes[slot]
        return mean

    def cohesion(self, uid: int) -> float:
        """Mean similarity of the texts of a narrative's claims to one another; 1.0 for a single one.

        Texts are taken to be of unit length, as they are but for claims without any terms.
        """
        slot = self._slot_of[uid]
        total, size = self._sums[slot, :-2], float(self._sizes[slot])
        return (float(total @ total) - size) / (size * (size - 1.0)) if size > 1.0 else 1.0

    def idle_since(self, before_ms: int) -> list[int]:
        """The uids of narratives last seen before that time, ascending."""
        uids = self._uids[: self._used]
        return sorted(uids[(uids != _NONE) & (self._seen_ms[: self._used] < before_ms)].tolist())

    def least_recent(self, count: int) -> list[int]:
        """The uids of those that were not seen for longest; none for a count below one."""
        if count < 1:
            return []
        slots = np.flatnonzero(self._uids[: self._used] != _NONE)
        oldest = slots[np.lexsort((self._uids[slots], self._seen_ms[slots]))[:count]]
        return sorted(self._uids[oldest].tolist())

    def _take_slot(self) -> int:
        if self._free:
            return heapq.heappop(self._free)
        if self._used == len(self._sizes):
            self._grow_to(self._used + 1)
        self._used += 1
        return self._used - 1

    def _grow_to(self, slots: int) -> None:
        """Double the arrays until there are so many slots, in one step: copying takes long."""
        capacity = len(self._sizes)
        while capacity < slots:
            capacity *= 2
        more = capacity - len(self._sizes)
        self._sums, self._settled_sums = _grown(self._sums, capacity), _grown(self._settled_sums, capacity)
        none = np.zeros(more, dtype=np.float32)
        self._sizes, self._settled_sizes = np.append(self._sizes, none), np.append(self._settled_sizes, none)
        self._active = np.append(self._active, np.zeros(more, dtype=np.bool_))
        self._seen_ms = np.append(self._seen_ms, np.zeros(more, dtype=np.int64))
        self._uids = np.append(self._uids, np.full(more, _NONE, dtype=np.int64))

    def kept(self, uid: int) -> KeptSums:
        """What of one narrative stays the same from claim to claim: see `state`."""
        slot = self._slot_of[uid]
        return KeptSums(
            slot,
            int(self._seen_ms[slot]),
            float(self._settled_sizes[slot]),
            self._settled_sums[slot].astype("<f4").tobytes(),
        )

    def state(self) -> CentroidState:
        """All that changes besides what `kept` returns, to be given to `load`."""
        active = np.flatnonzero(self._active[: self._used]).tolist()
        return CentroidState(
            self._next_uid,
            self._used,
            [
                (int(self._uids[slot]), float(self._sizes[slot]), self._sums[slot].astype("<f4").tobytes())
                for slot in active
            ],
        )

    def load(self, state: CentroidState, kept: Sequence[tuple[int, KeptSums]]) -> None:
        """Take over what `state` and, by uid, `kept` returned.  Raises ValueError when it does not fit."""
        length = self._dimensions * 4
        if any(len(one.total) != length for _, one in kept):
            raise ValueError(f"the snapshot is of another model: not {self._dimensions} dimensions")
        slots = np.array([one.slot for _, one in kept], dtype=np.intp)
        if len(np.unique(slots)) != len(slots) or (slots >= state.used).any():
            raise ValueError("the snapshot's pieces do not belong together")
        self._used, self._next_uid = state.used, state.next_uid
        self._clear()
        self._grow_to(self._used)
        totals = np.frombuffer(b"".join(one.total for _, one in kept), dtype="<f4")
        totals = totals.reshape(len(kept), self._dimensions)
        self._sums[slots] = self._settled_sums[slots] = totals
        self._sizes[slots] = self._settled_sizes[slots] = [one.size for _, one in kept]
        self._seen_ms[slots] = [one.seen_ms for _, one in kept]
        self._uids[slots] = [uid for uid, _ in kept]
        self._slot_of = {uid: one.slot for uid, one in kept}
        for uid, size, total in state.active:
            if uid not in self._slot_of:
                raise ValueError("the snapshot's pieces do not belong together")
            slot = self._slot_of[uid]
            self._active[slot], self._sizes[slot] = True, size
            self._sums[slot] = np.frombuffer(total, dtype="<f4")
        self._free = sorted(set(range(self._used)) - set(self._slot_of.values()))
        self._sketch = None


@njit(cache=True)
def _all_products(used: int, means: tuple[Any, ...], row: NDArray[np.float32]) -> NDArray[np.float32]:
    """Of each mean of some slots and the row, (used,). means: `Means` as a plain tuple."""
    of = Means(*means)
    products = np.empty(used, dtype=np.float32)
    for slot in range(used):
        products[slot] = similarity(of.sums[slot], row) * scale_of(slot, of)
    return products


@njit(cache=True)
def _all_trusted(sizes: NDArray[np.float32], doubt: np.float32) -> NDArray[np.float32]:
    found = np.empty_like(sizes)
    for place in range(len(sizes)):
        found[place] = trusted(sizes[place], doubt)
    return found


@njit(cache=True)
def _add_up(
    sums: NDArray[np.float32],
    sizes: NDArray[np.float32],
    slots: NDArray[np.intp],
    rows: NDArray[np.float32],
    places: NDArray[np.intp],
) -> None:
    """Count rows at some places to slots, in order."""
    for number in range(len(places)):
        for column in range(rows.shape[1]):
            sums[slots[number], column] += rows[places[number], column]
        sizes[slots[number]] += np.float32(1.0)


def _grown(array: NDArray[np.float32], rows: int) -> NDArray[np.float32]:
    """A copy with rows of zeros after its own. The system gives memory for those when they are written to."""
    grown = np.zeros((rows, array.shape[1]), dtype=np.float32)
    grown[: len(array)] = array
    return grown
