"""What narratives hold in each thread: the correction from how claims look anywhere to how they look there.

`models.centroids` compares claims as they look anywhere. Two claims of one thread are compared as they look
inside it, and gain what sharing it is worth. The difference of the two is a sum over the pairs that share a
thread, so it is enough to keep, for each thread and narrative, the sums of both views of its claims. As with
the centroids, a sum has a settled part and one that is made anew from the window at every review.
"""

from collections.abc import Callable, Iterable, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

__all__ = ["Parts", "TableState"]

_FIRST_CAPACITY = 4
_NONE = -1

Vectors = NDArray[np.float32]


class TableState(msgspec.Struct, frozen=True):
    """What narratives hold in one thread, little endian."""

    uids: list[int]
    plain: bytes
    inside: bytes
    claims: list[float]


class _Table:
    """The narratives of one thread: sums of both views of their claims there, and how many."""

    def __init__(self, dense: int) -> None:
        self.place: dict[int, int] = {}
        self._plain: Vectors = np.zeros((_FIRST_CAPACITY, dense), dtype=np.float32)
        self._inside: Vectors = np.zeros((_FIRST_CAPACITY, dense), dtype=np.float32)
        self._claims: Vectors = np.zeros(_FIRST_CAPACITY, dtype=np.float32)

    @property
    def plain(self) -> Vectors:
        return self._plain[: len(self.place)]

    @property
    def inside(self) -> Vectors:
        return self._inside[: len(self.place)]

    @property
    def claims(self) -> Vectors:
        return self._claims[: len(self.place)]

    def add(self, uid: int, plain: Vectors, inside: Vectors, claims: float) -> None:
        place = self.place.setdefault(uid, len(self.place))
        if place == len(self._claims):
            self._plain = np.concatenate([self._plain, np.zeros_like(self._plain)])
            self._inside = np.concatenate([self._inside, np.zeros_like(self._inside)])
            self._claims = np.concatenate([self._claims, np.zeros_like(self._claims)])
        self._plain[place] += plain
        self._inside[place] += inside
        self._claims[place] += claims

    def without(self, uid: int) -> "_Table":
        rest = _Table(self._plain.shape[1])
        for other, place in self.place.items():
            if other != uid:
                rest.add(other, self._plain[place], self._inside[place], float(self._claims[place]))
        return rest

    def copy(self) -> "_Table":
        twin = _Table(0)
        twin.place = dict(self.place)
        twin._plain, twin._inside, twin._claims = (
            self._plain.copy(),
            self._inside.copy(),
            self._claims.copy(),
        )
        return twin

    def state(self) -> TableState:
        return TableState(
            uids=list(self.place),
            plain=self.plain.astype("<f4").tobytes(),
            inside=self.inside.astype("<f4").tobytes(),
            claims=self.claims.tolist(),
        )

    @classmethod
    def of(cls, state: TableState, dense: int) -> "_Table":
        table = cls(dense)
        plain = np.frombuffer(state.plain, dtype="<f4").reshape(len(state.uids), dense)
        inside = np.frombuffer(state.inside, dtype="<f4").reshape(len(state.uids), dense)
        for uid, one, other, claims in zip(state.uids, plain, inside, state.claims, strict=True):
            table.add(uid, one, other, claims)
        return table


class Parts:
    """dense: length of the dense part of a row. A thread without a name has no parts."""

    def __init__(self, dense: int) -> None:
        self._dense = dense
        self._settled: dict[str, _Table] = {}
        self._tables: dict[str, _Table] = {}

    def add(self, thread: str, uid: int, plain: Vectors, inside: Vectors) -> None:
        """Count one more claim of the window to a narrative. plain, inside: (dense,)."""
        if thread:
            self._table(self._tables, thread).add(uid, plain, inside, 1.0)

    def settle(self, thread: str, uid: int, plain: Vectors, inside: Vectors) -> None:
        """A claim leaves the window: its row is final. `refresh` makes it count."""
        if thread:
            self._table(self._settled, thread).add(uid, plain, inside, 1.0)

    def refresh(self, threads: Sequence[str], plain: Vectors, inside: Vectors, owners: Sequence[int]) -> None:
        """Make all sums anew from the window. plain, inside: (n, dense); owners: n uids, -1 for none."""
        self._tables = {thread: table.copy() for thread, table in self._settled.items()}
        places: dict[tuple[str, int], list[int]] = {}
        for place, (thread, uid) in enumerate(zip(threads, owners, strict=True)):
            if thread and uid != _NONE:
                places.setdefault((thread, uid), []).append(place)
        for (thread, uid), found in places.items():
            table = self._table(self._tables, thread)
            table.add(uid, plain[found].sum(axis=0), inside[found].sum(axis=0), float(len(found)))

    def keep(self, threads: Iterable[str]) -> None:
        """Forget what is settled in all other threads."""
        known = set(threads)
        self._settled = {thread: table for thread, table in self._settled.items() if thread in known}

    def merge(self, keep: int, gone: int) -> None:
        """Move all of `gone` into `keep`."""
        for tables in (self._settled, self._tables):
            for table in tables.values():
                if gone in table.place:
                    place = table.place[gone]
                    table.add(keep, table.plain[place], table.inside[place], float(table.claims[place]))
        self.drop(gone)

    def drop(self, uid: int) -> None:
        """Forget a narrative."""
        for tables in (self._settled, self._tables):
            for thread in [thread for thread, table in tables.items() if uid in table.place]:
                tables[thread] = tables[thread].without(uid)

    def uids(self, threads: Iterable[str]) -> set[int]:
        """The narratives with claims in some threads."""
        return {uid for thread in threads if thread in self._tables for uid in self._tables[thread].place}

    def gains(self, thread: str, plain: Vectors, inside: Vectors, worth: float) -> dict[int, float]:
        """What the products of a claim and the sums of narratives gain, by uid. plain, inside: (dense,)."""
        table = self._tables.get(thread)
        if table is None:
            return {}
        gained = table.inside @ inside - table.plain @ plain + np.float32(worth) * table.claims
        return dict(zip(table.place, gained.tolist(), strict=True))

    def correct(
        self,
        products: NDArray[np.float64],
        threads: Sequence[str],
        plain: Vectors,
        inside: Vectors,
        *,
        uids: Sequence[int],
        worth: Callable[[str], float],
        settled: bool,
    ) -> None:
        """Add to products (n + m, n + m) of n claims and m narratives what pairs of one thread gain.

        threads: n keys; plain, inside: (n, dense); uids: m, whose settled part, or all, is meant; worth:
        what a pair gains by sharing a thread.
        """
        tables = self._settled if settled else self._tables
        places: dict[str, list[int]] = {}
        for place, thread in enumerate(threads):
            if thread:
                places.setdefault(thread, []).append(place)
        item = {uid: len(threads) + number for number, uid in enumerate(uids)}
        for thread in {**places, **tables}:
            claims = places.get(thread, [])
            table = tables.get(thread)
            around = [] if table is None else [uid for uid in table.place if uid in item]
            if len(claims) + len(around) < 2:
                continue
            one, other, counts = plain[claims], inside[claims], np.ones(len(claims), dtype=np.float32)
            if table is not None and around:
                rows = [table.place[uid] for uid in around]
                one = np.concatenate([one, table.plain[rows]])
                other = np.concatenate([other, table.inside[rows]])
                counts = np.concatenate([counts, table.claims[rows]])
            index = np.array([*claims, *(item[uid] for uid in around)])
            gained = other @ other.T - one @ one.T + np.float32(worth(thread)) * np.outer(counts, counts)
            products[np.ix_(index, index)] += gained

    def state(self) -> tuple[list[tuple[str, TableState]], list[tuple[str, TableState]]]:
        """Everything that changes, to be given to `load`: settled, and all."""
        return (
            [(thread, table.state()) for thread, table in self._settled.items()],
            [(thread, table.state()) for thread, table in self._tables.items()],
        )

    def load(self, state: tuple[Iterable[tuple[str, TableState]], Iterable[tuple[str, TableState]]]) -> None:
        """Take over what `state` returned.  Raises ValueError when the dimensions differ."""
        self._settled = {thread: _Table.of(table, self._dense) for thread, table in state[0]}
        self._tables = {thread: _Table.of(table, self._dense) for thread, table in state[1]}

    def _table(self, tables: dict[str, _Table], thread: str) -> _Table:
        if thread not in tables:
            tables[thread] = _Table(self._dense)
        return tables[thread]
