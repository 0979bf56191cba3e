"""The state of a shard as records: names and bytes, of which each replaces its earlier self.

What an engine holds comes in pieces (see `models.snapshot`), what belongs to the shard as a whole is one
more. Pieces are cut into parts that every broker takes.
"""

import gc
import itertools
from collections.abc import Iterable, Iterator, Mapping, Set
from contextlib import contextmanager
from typing import NamedTuple, Protocol

import msgspec

from models.snapshot import SNAPSHOT_VERSION, Packed, Snapshot, SnapshotError, unpack_pieces
from streams.ordering import MergeState

__all__ = [
    "PART_BYTES",
    "Keeper",
    "PieceName",
    "Pieces",
    "SavedShard",
    "ShardState",
    "assemble",
    "changed_records",
    "key_of_part",
    "pack_shard",
    "split",
    "unpack_shard",
    "without_collection",
]

PART_BYTES = 900_000  # brokers take 1,000,000 bytes by default, and a record is more than its value


class PieceName(NamedTuple):
    """Of a piece. desk: "" for that of the shard as a whole."""

    desk: str
    piece: str


Pieces = Mapping[PieceName, Packed]


@contextmanager
def without_collection() -> Iterator[None]:
    """No look for garbage inside the block, and none later in what was made there: it stays."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if was_on:
            gc.enable()


class ShardState(msgspec.Struct, frozen=True, kw_only=True):
    """What a shard knows besides its engines.

    model: whose vectors these are; next_offset: of the first record of claims that it has not been given;
    waiting: serials and offsets of the records that wait to be put in order.
    """

    version: int = SNAPSHOT_VERSION
    model: str
    next_offset: int
    desks: list[str]
    merge: MergeState
    waiting: dict[int, int]


class SavedShard(NamedTuple):
    """What was saved last of a shard: its own state, and that of its engines by desk."""

    state: ShardState
    engines: dict[str, Snapshot]


class Keeper(Protocol):
    """Where the state of partitions is saved: see `streams.state_store`."""

    save_seconds: float  # how often to save

    @property
    def model(self) -> str:
        """Whose vectors it is of; waits for a model that is being loaded."""

    async def take(self, partition: int) -> None:
        """Take a partition over; whoever had it before cannot save any more.  Raises BrokerError."""

    def read(self, partition: int) -> dict[PieceName, Packed]:
        """What was saved last; called in a thread.  Raises BrokerError and SnapshotError."""

    def claims_end(self, partition: int) -> int:
        """The offset after the last of the claims; called in a thread.  Raises BrokerError."""

    async def save(
        self, partition: int, pieces: Pieces, dropped: Iterable[PieceName], *, everything: bool = False
    ) -> None:
        """Replace some pieces and drop others, together; everything: drop whatever is not among the pieces.

        Raises BrokerError.
        """

    async def release(self, partition: int) -> None:
        """Let a partition go; safe for one that is not held."""


class _Part(msgspec.Struct, frozen=True, array_like=True):
    of: int  # how many parts the piece has
    content: memoryview  # of the record that was read: gigabytes are not to be copied


_SHARD = PieceName("", "shard")
_encode = msgspec.msgpack.Encoder().encode
_decode_part = msgspec.msgpack.Decoder(_Part).decode
_decode_key = msgspec.msgpack.Decoder(tuple[str, str, int]).decode


def pack_shard(state: ShardState) -> dict[PieceName, bytes]:
    """The piece of a shard's own state."""
    return {_SHARD: _encode(state)}


def unpack_shard(pieces: dict[PieceName, Packed]) -> SavedShard | None:
    """What was saved; None when nothing was. Takes the pieces out of the mapping as it goes.

    Raises SnapshotError for what this program cannot read.
    """
    if _SHARD not in pieces:
        return None
    try:
        state = msgspec.msgpack.decode(pieces[_SHARD], type=ShardState)
    except msgspec.DecodeError as error:
        raise SnapshotError(f"not the state of a shard: {error}") from error
    if state.version != SNAPSHOT_VERSION:
        raise SnapshotError(f"the state has version {state.version}, this program reads {SNAPSHOT_VERSION}")
    engines: dict[str, dict[str, Packed]] = {desk: {} for desk in state.desks}
    for name in list(pieces):
        content = pieces.pop(name)
        if name.desk in engines:
            engines[name.desk][name.piece] = content
    # Millions of objects are made here and none is garbage: looking for some takes longer than that.
    with without_collection():
        return SavedShard(state, {desk: unpack_pieces(own) for desk, own in engines.items()})


def changed_records(
    pieces: Pieces, dropped: Iterable[PieceName], known: Set[bytes], *, everything: bool
) -> dict[bytes, bytes | None]:
    """What is written to replace some pieces and drop others: values by key, None for what goes.

    known: the keys that there are, also those that `split` did not make; everything: drop all that is not
    among the pieces.
    """
    records: dict[bytes, bytes | None] = {}
    for name, content in pieces.items():
        records |= split(name, content)
    if everything:
        return records | dict.fromkeys(known - records.keys())
    for name in [*pieces, *dropped]:
        for part in itertools.count():
            key = key_of_part(name, part)
            if key in records:
                continue
            if key not in known:
                break
            records[key] = None
    return records


def split(name: PieceName, content: Packed) -> Iterable[tuple[bytes, bytes]]:
    """Keys and values of the records of a piece."""
    count = max(1, -(-len(content) // PART_BYTES))
    for part in range(count):
        piece = content[part * PART_BYTES : (part + 1) * PART_BYTES]
        yield key_of_part(name, part), _encode(_Part(count, memoryview(piece)))


def key_of_part(name: PieceName, part: int) -> bytes:
    """The key of the record of one part."""
    return _encode((*name, part))


def assemble(records: Mapping[bytes, bytes]) -> dict[PieceName, Packed]:
    """The pieces from the last value of each key.  Raises SnapshotError for what `split` did not make."""
    parts: dict[PieceName, dict[int, _Part]] = {}
    try:
        for key, value in records.items():
            desk, piece, part = _decode_key(key)
            parts.setdefault(PieceName(desk, piece), {})[part] = _decode_part(value)
    except msgspec.DecodeError as error:
        raise SnapshotError(f"not a record of state: {error}") from error
    pieces: dict[PieceName, Packed] = {}
    for name, found in parts.items():
        first = found.get(0)
        if first is None or any(part not in found for part in range(first.of)):
            raise SnapshotError(f"a part of {name.piece} of desk {name.desk!r} is missing")
        pieces[name] = first.content if first.of == 1 else b"".join(found[n].content for n in range(first.of))
    return pieces
