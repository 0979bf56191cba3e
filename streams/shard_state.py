"""The state of a shard as records: names and bytes, of which each replaces its earlier self.

What an engine holds comes in pieces (see `models.snapshot`), what belongs to the shard as a whole is one
more. Pieces are cut into parts that every broker takes.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple, Protocol

import msgspec

from models.snapshot import SNAPSHOT_VERSION, SnapshotError
from streams.ordering import MergeState

__all__ = [
    "PART_BYTES",
    "Keeper",
    "PieceName",
    "Pieces",
    "SavedShard",
    "ShardState",
    "assemble",
    "key_of_part",
    "pack_shard",
    "split",
    "unpack_shard",
]

PART_BYTES = 900_000  # brokers take 1,000,000 bytes by default, and a record is more than its value


class PieceName(NamedTuple):
    """Of a piece. desk: "" for that of the shard as a whole."""

    desk: str
    piece: str


Pieces = Mapping[PieceName, bytes]


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
    """What was saved last of a shard: its own state, and the pieces of its engines."""

    state: ShardState
    engines: dict[str, dict[str, bytes]]  # by desk and name


class Keeper(Protocol):
    """Where the state of partitions is saved: see `streams.state_store`."""

    model: str  # whose vectors it is of
    save_seconds: float  # how often to save

    async def take(self, partition: int) -> None:
        """Take a partition over; whoever had it before cannot save any more.  Raises BrokerError."""

    def read(self, partition: int) -> Pieces:
        """What was saved last; called in a thread.  Raises BrokerError and SnapshotError."""

    def claims_end(self, partition: int) -> int:
        """The offset after the last of the claims; called in a thread.  Raises BrokerError."""

    def names(self, partition: int) -> set[PieceName]:
        """The pieces that are saved."""

    async def save(self, partition: int, pieces: Pieces, dropped: Iterable[PieceName]) -> None:
        """Replace some pieces and drop others, together.  Raises BrokerError."""

    async def release(self, partition: int) -> None:
        """Let a partition go; safe for one that is not held."""


class _Part(msgspec.Struct, frozen=True, array_like=True):
    of: int  # how many parts the piece has
    content: bytes


_SHARD = PieceName("", "shard")
_encode = msgspec.msgpack.Encoder().encode
_decode_part = msgspec.msgpack.Decoder(_Part).decode
_decode_key = msgspec.msgpack.Decoder(tuple[str, str, int]).decode


def pack_shard(state: ShardState) -> dict[PieceName, bytes]:
    """The piece of a shard's own state."""
    return {_SHARD: _encode(state)}


def unpack_shard(pieces: Pieces) -> SavedShard | None:
    """What was saved; None when nothing was. Raises SnapshotError for what this program cannot read."""
    if _SHARD not in pieces:
        return None
    try:
        state = msgspec.msgpack.decode(pieces[_SHARD], type=ShardState)
    except msgspec.DecodeError as error:
        raise SnapshotError(f"not the state of a shard: {error}") from error
    if state.version != SNAPSHOT_VERSION:
        raise SnapshotError(f"the state has version {state.version}, this program reads {SNAPSHOT_VERSION}")
    engines: dict[str, dict[str, bytes]] = {desk: {} for desk in state.desks}
    for (desk, piece), content in pieces.items():
        if desk in engines:
            engines[desk][piece] = content
    return SavedShard(state, engines)


def split(name: PieceName, content: bytes) -> Iterable[tuple[bytes, bytes]]:
    """Keys and values of the records of a piece."""
    count = max(1, -(-len(content) // PART_BYTES))
    for part in range(count):
        piece = content[part * PART_BYTES : (part + 1) * PART_BYTES]
        yield key_of_part(name, part), _encode(_Part(count, piece))


def key_of_part(name: PieceName, part: int) -> bytes:
    """The key of the record of one part."""
    return _encode((*name, part))


def assemble(records: Mapping[bytes, bytes]) -> tuple[dict[PieceName, bytes], dict[PieceName, int]]:
    """The pieces from the last value of each key, and how many parts of each there are, also of old ones.

    Raises SnapshotError for anything that `split` did not make.
    """
    parts: dict[PieceName, dict[int, _Part]] = {}
    try:
        for key, value in records.items():
            desk, piece, part = _decode_key(key)
            parts.setdefault(PieceName(desk, piece), {})[part] = _decode_part(value)
    except msgspec.DecodeError as error:
        raise SnapshotError(f"not a record of state: {error}") from error
    pieces: dict[PieceName, bytes] = {}
    for name, found in parts.items():
        first = found.get(0)
        if first is None or any(part not in found for part in range(first.of)):
            raise SnapshotError(f"a part of {name.piece} of desk {name.desk!r} is missing")
        pieces[name] = b"".join(found[part].content for part in range(first.of))
    return pieces, {name: max(found) + 1 for name, found in parts.items()}
