"""The engine's state as bytes, with a version: what a worker continues from after a restart."""

import msgspec

from models.centroids import CentroidState
from models.clock import EventClock
from models.context import ThreadSize
from models.errors import NarrawatchError
from models.narrative import Member, Narrative

__all__ = ["Snapshot", "SnapshotError", "pack", "unpack"]

SNAPSHOT_VERSION = 2


class SnapshotError(NarrawatchError):
    """The bytes are no snapshot of this version."""


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that an engine's future depends on, besides its settings."""

    version: int = SNAPSHOT_VERSION
    clock: EventClock
    swept_ms: int
    reviewed_ms: int
    unreviewed: int
    means: dict[str, tuple[bytes, float]]
    threads: list[tuple[str, ThreadSize]]
    alike: dict[str, float]
    usual: dict[str, bytes]
    documents: int
    frequencies: bytes
    centroids: CentroidState
    narratives: list[Narrative]
    window: list[tuple[Member, int]]
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
