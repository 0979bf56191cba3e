"""The engine's state as bytes, with a version: what a worker continues from after a restart.

It comes whole, or in named pieces of which each replaces its earlier self: a core (what is small, or changes
all the time), one piece for each narrative, and the comments that were seen, in chunks. So what has not
changed is not written again.
"""

from collections.abc import MutableMapping
from typing import NamedTuple, TypeVar

import msgspec

from models.centroids import CentroidState, KeptSums
from models.clock import EventClock
from models.context import ThreadMean, ThreadSize
from models.errors import NarrawatchError
from models.narrative import Member, Narrative
from models.parts import TableState
from models.seen import SeenChunk
from models.spiking import SpikingState

__all__ = [
    "CORE",
    "NARRATIVE",
    "SEEN",
    "SNAPSHOT_VERSION",
    "Changes",
    "Core",
    "Kept",
    "Packed",
    "Snapshot",
    "SnapshotError",
    "pack",
    "unpack",
    "unpack_pieces",
]

SNAPSHOT_VERSION = 8
CORE, NARRATIVE, SEEN = "core", "narrative/", "seen/"  # names of pieces; the latter two go on with a number

Packed = bytes | memoryview

T = TypeVar("T")


class SnapshotError(NarrawatchError):
    """The bytes are no snapshot of this version."""


class Changes(NamedTuple):
    """Pieces by name that are new, and the names of those that are gone."""

    pieces: dict[str, bytes]
    dropped: list[str]


class Core(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that an engine's future depends on, besides its settings and the other pieces."""

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
    frequencies: bytes  # compressed (zlib)
    centroids: CentroidState
    window: list[tuple[Member, int]]
    founded: dict[int, int]
    spiking: SpikingState


class Kept(msgspec.Struct, frozen=True):
    """A narrative, with what has left the window of its sum."""

    narrative: Narrative
    sums: KeptSums


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """All pieces as one. Narratives in the order of their uids."""

    core: Core
    narratives: list[Kept]
    seen: list[SeenChunk]


class _Versioned(msgspec.Struct, frozen=True, array_like=True):
    version: int
    content: msgspec.Raw


def pack(state: Core | Kept | SeenChunk | Snapshot) -> bytes:
    """MessagePack, with the version before it."""
    return msgspec.msgpack.encode(_Versioned(SNAPSHOT_VERSION, msgspec.Raw(msgspec.msgpack.encode(state))))


def unpack(packed: Packed, kind: type[T]) -> T:
    """What `pack` packed.  Raises SnapshotError."""
    try:
        found = msgspec.msgpack.decode(packed, type=_Versioned)
        if found.version != SNAPSHOT_VERSION:
            raise SnapshotError(
                f"the snapshot has version {found.version}, this program reads {SNAPSHOT_VERSION}"
            )
        return msgspec.msgpack.decode(found.content, type=kind)
    except msgspec.DecodeError as error:
        raise SnapshotError(f"not an engine snapshot: {error}") from error


def unpack_pieces(pieces: MutableMapping[str, Packed]) -> Snapshot:
    """The last of each piece that an engine gave and did not drop later, as one.

    Takes the pieces out of the mapping as it goes: they are large. Raises SnapshotError for anything else.
    """
    core: Core | None = None
    kept: list[Kept] = []
    seen: list[SeenChunk] = []
    for name in list(pieces):
        piece = pieces.pop(name)
        if name.startswith(NARRATIVE):
            kept.append(unpack(piece, Kept))
        elif name.startswith(SEEN):
            seen.append(unpack(piece, SeenChunk))
        elif name == CORE:
            core = unpack(piece, Core)
    if core is None:
        raise SnapshotError("the core of the engine's state is missing")
    return Snapshot(core=core, narratives=sorted(kept, key=lambda one: one.narrative.uid), seen=seen)
