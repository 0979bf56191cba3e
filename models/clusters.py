"""Micro-clusters under average linkage, kept in flat arrays.

The similarity of two clusters is the mean inner product over all pairs of their rows, which needs only their
sums. A cluster is known by its `uid`, a counter that never repeats; its slot in the arrays is reused.
"""

import heapq

import msgspec
import numpy as np
from numpy.typing import NDArray

__all__ = ["ClusterState", "Clusters"]

_FIRST_CAPACITY = 256


class ClusterState(msgspec.Struct, frozen=True):
    """The arrays of `Clusters`, little endian, one entry a slot."""

    next_uid: int
    sums: bytes
    sizes: bytes
    seen_ms: bytes
    uids: bytes


class Clusters:
    """Sums, sizes and ages of the live clusters.

    dimensions: length of a row. Slots are given out lowest first, so that equal histories have equal arrays.
    """

    def __init__(self, dimensions: int) -> None:
        self.dimensions = dimensions
        self.next_uid = 0
        self.used = 0  # slots below this have been given out at least once
        self.sums: NDArray[np.float32] = np.zeros((_FIRST_CAPACITY, dimensions), dtype=np.float32)
        self.sizes: NDArray[np.float32] = np.zeros(_FIRST_CAPACITY, dtype=np.float32)
        self.seen_ms: NDArray[np.int64] = np.zeros(_FIRST_CAPACITY, dtype=np.int64)
        self.uids: NDArray[np.int64] = np.full(_FIRST_CAPACITY, -1, dtype=np.int64)
        self._free: list[int] = []
        self._slot_of: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self._slot_of)

    def __contains__(self, uid: int) -> bool:
        return uid in self._slot_of

    def create(self, row: NDArray[np.float32], now_ms: int) -> int:
        """A new cluster of one row; returns its uid."""
        slot = self._take_slot()
        uid, self.next_uid = self.next_uid, self.next_uid + 1
        self.sums[slot], self.sizes[slot], self.seen_ms[slot], self.uids[slot] = row, 1.0, now_ms, uid
        self._slot_of[uid] = slot
        return uid

    def add(self, uid: int, row: NDArray[np.float32], now_ms: int) -> None:
        """Put one more row into a cluster."""
        slot = self._slot_of[uid]
        self.sums[slot] += row
        self.sizes[slot] += 1.0
        self.seen_ms[slot] = max(int(self.seen_ms[slot]), now_ms)

    def merge(self, keep: int, gone: int) -> None:
        """Move all of `gone` into `keep`; `gone` ceases to exist."""
        into, out = self._slot_of[keep], self._slot_of[gone]
        self.sums[into] += self.sums[out]
        self.sizes[into] += self.sizes[out]
        self.seen_ms[into] = max(int(self.seen_ms[into]), int(self.seen_ms[out]))
        self.drop(gone)

    def drop(self, uid: int) -> None:
        """Forget a cluster."""
        slot = self._slot_of.pop(uid)
        self.sums[slot], self.sizes[slot], self.uids[slot] = 0.0, 0.0, -1
        heapq.heappush(self._free, slot)

    def nearest(self, row: NDArray[np.float32]) -> tuple[int, float]:
        """The uid of the cluster with the highest mean similarity to a row, and it; (-1, -1.0) if none."""
        return self._best(row, 1.0, -1)

    def nearest_to(self, uid: int) -> tuple[int, float]:
        """The other cluster with the highest average linkage to this one, and it; (-1, -1.0) if none."""
        slot = self._slot_of[uid]
        return self._best(self.sums[slot], float(self.sizes[slot]), slot)

    def cohesion(self, uid: int) -> float:
        """Mean similarity of a cluster's rows to one another; 1.0 for a single row."""
        slot = self._slot_of[uid]
        total, size = self.sums[slot], float(self.sizes[slot])
        return (float(total @ total) - size) / (size * (size - 1.0)) if size > 1.0 else 1.0

    def by_age(self) -> list[int]:
        """All uids, longest idle first; ties by uid."""
        return sorted(self._slot_of, key=lambda uid: (int(self.seen_ms[self._slot_of[uid]]), uid))

    def idle_since(self, before_ms: int) -> list[int]:
        """The uids of clusters last seen before that time, oldest uid first."""
        live = self.uids[: self.used]
        return sorted(live[(live >= 0) & (self.seen_ms[: self.used] < before_ms)].tolist())

    def _best(self, row: NDArray[np.float32], size: float, but_slot: int) -> tuple[int, float]:
        if len(self._slot_of) <= (but_slot >= 0):
            return -1, -1.0
        sizes = self.sizes[: self.used]
        linkage = (self.sums[: self.used] @ row) / (np.maximum(sizes, 1.0) * np.float32(size))
        linkage[sizes == 0.0] = -2.0
        if but_slot >= 0:
            linkage[but_slot] = -2.0
        best = int(linkage.argmax())
        return int(self.uids[best]), float(linkage[best])

    def _take_slot(self) -> int:
        if self._free:
            return heapq.heappop(self._free)
        if self.used == len(self.sizes):
            self._grow()
        self.used += 1
        return self.used - 1

    def _grow(self) -> None:
        more = len(self.sizes)
        self.sums = np.vstack([self.sums, np.zeros((more, self.dimensions), dtype=np.float32)])
        self.sizes = np.concatenate([self.sizes, np.zeros(more, dtype=np.float32)])
        self.seen_ms = np.concatenate([self.seen_ms, np.zeros(more, dtype=np.int64)])
        self.uids = np.concatenate([self.uids, np.full(more, -1, dtype=np.int64)])

    def state(self) -> ClusterState:
        """Everything that changes, to be given to `load`."""
        used = self.used
        return ClusterState(
            next_uid=self.next_uid,
            sums=self.sums[:used].astype("<f4").tobytes(),
            sizes=self.sizes[:used].astype("<f4").tobytes(),
            seen_ms=self.seen_ms[:used].astype("<i8").tobytes(),
            uids=self.uids[:used].astype("<i8").tobytes(),
        )

    def load(self, state: ClusterState) -> None:
        """Take over what `state` returned.  Raises ValueError when the dimensions differ."""
        uids = np.frombuffer(state.uids, dtype="<i8")
        if len(state.sums) != len(uids) * self.dimensions * 4:
            raise ValueError(f"the snapshot is of another model: not {self.dimensions} dimensions")
        self.used, self.next_uid = len(uids), state.next_uid
        while len(self.sizes) < self.used:
            self._grow()
        self.sums[: self.used] = np.frombuffer(state.sums, dtype="<f4").reshape(self.used, self.dimensions)
        self.sizes[: self.used] = np.frombuffer(state.sizes, dtype="<f4")
        self.seen_ms[: self.used] = np.frombuffer(state.seen_ms, dtype="<i8")
        self.uids[: self.used] = uids
        self._slot_of = {uid: slot for slot, uid in enumerate(uids.tolist()) if uid >= 0}
        self._free = [slot for slot, uid in enumerate(uids.tolist()) if uid < 0]
