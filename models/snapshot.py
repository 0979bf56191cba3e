"""The engine's state as bytes, with a version: what a worker continues from after a restart."""

import msgspec

from models.centroids import CentroidState
from models.clock import EventClock
from models.context import ThreadMean, ThreadSize
from models.errors import NarrawatchError
from models.narrative import Member, Narrative
from models.parts import TableState

__all__ = ["Snapshot", "SnapshotError", "pack", "unpack"]

SNAPSHOT_VERSION = 3


class SnapshotError(NarrawatchError):
    """The bytes are no snapshot of this version."""


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that an engine's future depends on, besides its settings."""

    version: int = SNAPSHOT_VERSION
    clock: EventClock
    swept_ms: int
    reviewed_ms: int
    unreviewed: int
    revised_ms: int
    unrevised: int
    means: dict[str, tuple[bytes, float]]
    threads: list[tuple[str, ThreadSize]]
    thread_means: tuple[list[tuple[str, ThreadMean]], list[tuple[str, ThreadMean]]]
    parts: tuple[list[tuple[str, TableState]], list[tuple[str, TableState]]]
    usual: dict[str, bytes]
    documents: int
    frequencies: bytes
    centroids: CentroidState
    narratives: list[Narrative]
    window: list[tuple[Member, int]]
    founded: dict[int, int]
    seen: list[tuple[int, int]]


def pack(snapshot: Snapshot) -> bytes:
    """MessagePack."""
    return msgspec.msgpack.encode(snapshot)


def unpack(packed: bytes) -> Snapshot:
    """What `pack` packed.  Raises SnapshotError."""
    try:
        snapshot = msgspec.msgpack.decode(packed, type=Snapshot)
    except msgspec.DecodeError as error:
        raise SnapshotError(f"not an engine snapshot: {error}") from error
    if snapshot.version != SNAPSHOT_VERSION:
        raise SnapshotError(
            f"the snapshot has version {snapshot.version}, this program reads {SNAPSHOT_VERSION}"
        )
    return snapshot
