"""What narratives hold in each thread: the correction from how claims look anywhere to how they look there.

`models.centroids` compares claims as they look anywhere. Two claims of one thread are compared as they look
inside it, and gain what sharing it is worth. The difference of the two is a sum over the pairs that share a
thread, so it is enough to keep, for each thread and narrative, the sums of both views of its claims. As with
the centroids, a sum has a settled part and one that is made anew from the window at every review.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import msgspec
import numpy as np
from numba import njit
from numpy.typing import NDArray

from models.similarity import similarity

__all__ = ["Parts", "Rest", "TableState"]

_FIRST_CAPACITY = 64
_NONE = -1

Vectors = NDArray[np.float32]
Slots = NDArray[np.intp]


class TableState(msgspec.Struct, frozen=True):
    """What narratives hold in one thread, little endian."""

    uids: list[int]
    plain: bytes
    inside: bytes
    claims: list[float]


class Rest(NamedTuple):
    """Claims of the window, each of a narrative, that count to it beside what is settled."""

    rows: Vectors  # (n, dimensions)
    inside: Vectors  # (n, dense)
    threads: Sequence[str]
    owners: Sequence[int]

    @property
    def plain(self) -> Vectors:
        """The dense part, as seen anywhere: (n, dense)."""
        return self.rows[:, : self.inside.shape[1]]


class _Sums:
    """Sums of both views of claims, and how many, by slot."""

    def __init__(self, dense: int) -> None:
        self.plain: Vectors = np.zeros((_FIRST_CAPACITY, dense), dtype=np.float32)
        self.inside: Vectors = np.zeros((_FIRST_CAPACITY, dense), dtype=np.float32)
        self.claims: Vectors = np.zeros(_FIRST_CAPACITY, dtype=np.float32)

    def grow(self) -> None:
        self.plain = np.concatenate([self.plain, np.zeros_like(self.plain)])
        self.inside = np.concatenate([self.inside, np.zeros_like(self.inside)])
        self.claims = np.concatenate([self.claims, np.zeros_like(self.claims)])

    def add(self, slot: int, plain: Vectors, inside: Vectors, claims: float) -> None:
        self.plain[slot] += plain
        self.inside[slot] += inside
        self.claims[slot] += claims

    def add_up(self, slots: Slots, plain: Vectors, inside: Vectors, places: Slots) -> None:
        _add_up(self.plain, slots, plain, places)
        _add_up(self.inside, slots, inside, places)
        np.add.at(self.claims, slots, np.float32(1.0))

    def move(self, into: int, out: int) -> None:
        self.add(into, self.plain[out], self.inside[out], float(self.claims[out]))

    def clear(self, slot: int) -> None:
        self.plain[slot], self.inside[slot], self.claims[slot] = 0.0, 0.0, 0.0

    def copy(self) -> "_Sums":
        twin = _Sums(0)
        twin.plain, twin.inside, twin.claims = self.plain.copy(), self.inside.copy(), self.claims.copy()
        return twin

    def take(self, other: "_Sums", slots: Slots) -> None:
        self.plain[slots], self.inside[slots] = other.plain[slots], other.inside[slots]
        self.claims[slots] = other.claims[slots]


class Parts:
    """dense: length of the dense part of a row. A thread without a name has no parts."""

    def __init__(self, dense: int) -> None:
        self._dense = dense
        self._settled, self._all = _Sums(dense), _Sums(dense)
        self._slots: dict[str, dict[int, int]] = {}  # thread to uid to slot
        self._threads: dict[int, set[str]] = {}  # uid to threads
        self._free: list[int] = []
        self._used = 0
        self._active: dict[int, tuple[str, int]] = {}  # slots whose sums are not what is settled: their keys

    def add(self, thread: str, uid: int, plain: Vectors, inside: Vectors) -> None:
        """Count one more claim of the window to a narrative. plain, inside: (dense,)."""
        if thread:
            self._all.add(self._activated(thread, uid), plain, inside, 1.0)

    def settle(self, thread: str, uid: int, plain: Vectors, inside: Vectors) -> None:
        """A claim leaves the window: its row is final. `refresh` makes it count."""
        if thread:
            self._settled.add(self._activated(thread, uid), plain, inside, 1.0)

    def refresh(self, threads: Sequence[str], plain: Vectors, inside: Vectors, owners: Sequence[int]) -> None:
        """Make all sums anew from the window. plain, inside: (n, dense); owners: n uids, -1 for none."""
        before, self._active = self._active, {}
        self._all.take(self._settled, np.array(list(before), dtype=np.intp))
        pairs = [
            (place, self._activated(thread, uid))
            for place, (thread, uid) in enumerate(zip(threads, owners, strict=True))
            if thread and uid != _NONE
        ]
        places, slots = np.array(pairs, dtype=np.intp).reshape(-1, 2).T
        self._all.add_up(slots, plain, inside, places)
        for slot, (thread, uid) in before.items():
            if not self._all.claims[slot]:
                self._remove(thread, uid)

    def keep(self, threads: Iterable[str]) -> None:
        """Forget what is settled in all other threads. `refresh` makes it count."""
        for thread in self._slots.keys() - set(threads):
            for uid, slot in self._slots[thread].items():
                self._settled.clear(slot)
                self._active[slot] = (thread, uid)

    def merge(self, keep: int, gone: int) -> None:
        """Move all of `gone` into `keep`."""
        for thread in sorted(self._threads.get(gone, ())):
            out, into = self._slots[thread][gone], self._activated(thread, keep)
            self._settled.move(into, out)
            self._all.move(into, out)
        self.drop(gone)

    def drop(self, uid: int) -> None:
        """Forget a narrative."""
        for thread in sorted(self._threads.get(uid, ())):
            self._remove(thread, uid)

    def uids(self, threads: Iterable[str]) -> set[int]:
        """The narratives with claims in some threads."""
        return {uid for thread in threads for uid in self._slots.get(thread, ())}

    def gains(
        self, thread: str, plain: Vectors, inside: Vectors, worth: float
    ) -> tuple[Sequence[int], Vectors]:
        """Uids, and what the products of a claim and the sums of these narratives gain.

        plain, inside: (dense,).
        """
        found = self._slots.get(thread)
        if not found:
            return (), np.zeros(0, dtype=np.float32)
        slots = np.fromiter(found.values(), dtype=np.intp, count=len(found))
        gained = _products(self._all.inside, slots, inside) - _products(self._all.plain, slots, plain)
        return list(found), gained + np.float32(worth) * self._all.claims[slots]

    def correct(
        self,
        products: Vectors,
        threads: Sequence[str],
        plain: Vectors,
        inside: Vectors,
        *,
        uids: Sequence[int],
        worth: Callable[[str], float],
        rest: "Rest | None" = None,
    ) -> None:
        """Add to products (n + m, n + m) of n claims and m narratives what pairs of one thread gain.

        threads: n keys; plain, inside: (n, dense); uids: m; worth: what a pair gains by sharing a thread;
        rest: what of the narratives is meant, if not all.
        """
        sums = self._all if rest is None else self._sums_of(rest)
        places: dict[str, list[int]] = {}
        for place, thread in enumerate(threads):
            if thread:
                places.setdefault(thread, []).append(place)
        item = {uid: len(threads) + number for number, uid in enumerate(uids)}
        for thread in {**places, **self._slots}:
            claims = places.get(thread, [])
            around = [
                (item[uid], slot)
                for uid, slot in self._slots.get(thread, {}).items()
                if uid in item and sums.claims[slot]
            ]
            if len(claims) + len(around) < 2:
                continue
            items, slots = np.array(around, dtype=np.intp).reshape(-1, 2).T
            one = np.concatenate([plain[claims], sums.plain[slots]])
            other = np.concatenate([inside[claims], sums.inside[slots]])
            counts = np.concatenate([np.ones(len(claims), dtype=np.float32), sums.claims[slots]])
            index = np.concatenate([np.array(claims, dtype=np.intp), items])
            gained = other @ other.T - one @ one.T + np.float32(worth(thread)) * np.outer(counts, counts)
            products[np.ix_(index, index)] += gained

    def _sums_of(self, rest: "Rest") -> _Sums:
        """What is settled, and the rest of the window."""
        sums = self._settled.copy()
        pairs = [
            (place, self._slots[thread][uid])
            for place, (thread, uid) in enumerate(zip(rest.threads, rest.owners, strict=True))
            if thread
        ]
        places, slots = np.array(pairs, dtype=np.intp).reshape(-1, 2).T
        sums.add_up(slots, rest.plain, rest.inside, places)
        return sums

    def state(self) -> tuple[list[tuple[str, TableState]], list[tuple[str, TableState]]]:
        """Everything that changes, to be given to `load`: settled, and all."""
        return self._state(self._settled), self._state(self._all)

    def load(self, state: tuple[Iterable[tuple[str, TableState]], Iterable[tuple[str, TableState]]]) -> None:
        """Take over what `state` returned.  Raises ValueError when the dimensions differ."""
        self._slots, self._threads, self._free, self._used, self._active = {}, {}, [], 0, {}
        self._settled, self._all = _Sums(self._dense), _Sums(self._dense)
        for sums, tables in ((self._all, state[1]), (self._settled, state[0])):
            for thread, table in tables:
                plain = np.frombuffer(table.plain, dtype="<f4").reshape(len(table.uids), self._dense)
                inside = np.frombuffer(table.inside, dtype="<f4").reshape(len(table.uids), self._dense)
                for uid, one, other, claims in zip(table.uids, plain, inside, table.claims, strict=True):
                    sums.add(self._activated(thread, uid), one, other, claims)

    def _state(self, sums: _Sums) -> list[tuple[str, TableState]]:
        found = []
        for thread, all_slots in self._slots.items():
            slots = np.fromiter(all_slots.values(), dtype=np.intp, count=len(all_slots))
            found.append(
                (
                    thread,
                    TableState(
                        uids=list(all_slots),
                        plain=sums.plain[slots].astype("<f4").tobytes(),
                        inside=sums.inside[slots].astype("<f4").tobytes(),
                        claims=sums.claims[slots].tolist(),
                    ),
                )
            )
        return found

    def _activated(self, thread: str, uid: int) -> int:
        """The slot of a thread and a narrative, about to differ from what is settled."""
        slot = self._slots.setdefault(thread, {}).get(uid)
        if slot is None:
            slot = self._slots[thread][uid] = self._take_slot()
            self._threads.setdefault(uid, set()).add(thread)
        self._active[slot] = (thread, uid)
        return slot

    def _take_slot(self) -> int:
        if self._free:
            return self._free.pop()
        if self._used == len(self._all.claims):
            self._settled.grow()
            self._all.grow()
        self._used += 1
        return self._used - 1

    def _remove(self, thread: str, uid: int) -> None:
        slot = self._slots[thread].pop(uid)
        self._settled.clear(slot)
        self._all.clear(slot)
        self._active.pop(slot, None)
        self._free.append(slot)
        self._threads[uid].discard(thread)
        if not self._slots[thread]:
            del self._slots[thread]
        if not self._threads[uid]:
            del self._threads[uid]


@njit(cache=True)
def _add_up(sums: Vectors, slots: Slots, rows: Vectors, places: Slots) -> None:
    """Add rows at some places to slots, in order."""
    for number in range(len(places)):
        for column in range(rows.shape[1]):
            sums[slots[number], column] += rows[places[number], column]


@njit(cache=True)
def _products(sums: Vectors, slots: Slots, vector: Vectors) -> Vectors:
    """Of what is in slots and a vector: (n,)."""
    products = np.empty(len(slots), dtype=np.float32)
    for number in range(len(slots)):
        products[number] = similarity(sums[slots[number]], vector)
    return products
