"""The comments that were seen: a re-delivery is known, and so is an edit, by a digest of what was said.

Each version of a comment has a number, which grows: what is delivered again may be an earlier one.

Bounded in number and in time. Comments are kept in chunks in the order in which they were last seen: a chunk
is forgotten as a whole, and it is what a snapshot writes anew, so that a year's memory is not written again
for one comment.
"""

from array import array
from collections.abc import Iterable

import msgspec

__all__ = ["DELETED", "SeenChunk", "SeenComments"]

_CHUNK_COMMENTS = 4_096
_CHUNK_MS = 6 * 3_600_000  # so that little traffic is forgotten in time, too
_DIGEST_BITS = 32
_PLACE_BITS = 12  # of a comment in its chunk

DELETED = 0  # the digest of a comment that was deleted


class SeenChunk(msgspec.Struct, frozen=True):
    """Comments that were last seen one after the other. Times are epoch ms."""

    number: int
    begun_ms: int
    newest_ms: int
    added: int  # at least the length of `keys`: some were seen again later
    keys: list[int]
    digests: list[int]
    versions: list[int]


class _Chunk:
    def __init__(self, begun_ms: int, newest_ms: int) -> None:
        self.begun_ms, self.newest_ms = begun_ms, newest_ms
        self.added = 0
        self.keys = array("q")
        self.versions = array("q")


class SeenComments:
    """Keys of comments, 63 bits, to digests of 32 bits. most: comments that are remembered, about."""

    def __init__(self, most: int) -> None:
        self._most_chunks = max(2, most // _CHUNK_COMMENTS)
        self._entries: dict[int, int] = {}  # key to chunk number, place in it, and digest, packed
        self._chunks: dict[int, _Chunk] = {}  # by number, oldest first
        self._next = 0
        self._unsaved: set[int] = set()
        self._gone: set[int] = set()

    def __len__(self) -> int:
        return len(self._entries)

    def digest(self, key: int) -> int | None:
        """What a comment said when it was last seen; None for one that is not known."""
        entry = self._entries.get(key)
        return None if entry is None else entry & ((1 << _DIGEST_BITS) - 1)

    def version(self, key: int) -> int:
        """The version that was seen last; -1 for a comment that is not known."""
        entry = self._entries.get(key)
        if entry is None:
            return -1
        place = entry >> _DIGEST_BITS & ((1 << _PLACE_BITS) - 1)
        return self._chunks[_number(entry)].versions[place]

    def put(self, key: int, digest: int, at_ms: int, version: int = 0) -> None:
        """Remember a comment, or what it says now. Times do not run backwards. version: 63 bits."""
        number = self._next - 1
        last = self._chunks.get(number)
        if last is None or last.added >= _CHUNK_COMMENTS or at_ms - last.begun_ms >= _CHUNK_MS:
            number, self._next = self._next, self._next + 1
            last = self._chunks[number] = _Chunk(at_ms, at_ms)
        self._entries[key] = _packed(number, len(last.keys), digest)
        last.keys.append(key)
        last.versions.append(version)
        last.added += 1
        last.newest_ms = at_ms
        self._unsaved.add(number)

    def forget(self, before_ms: int) -> set[int]:
        """Drop the chunks that were last added to before that time, and those that are too many."""
        forgotten: set[int] = set()
        for number, chunk in list(self._chunks.items()):
            if chunk.newest_ms >= before_ms and len(self._chunks) <= self._most_chunks:
                break
            del self._chunks[number]
            self._unsaved.discard(number)
            self._gone.add(number)
            forgotten.update(key for key in chunk.keys if _number(self._entries[key]) == number)
        for key in forgotten:
            del self._entries[key]
        return forgotten

    def changes(self) -> tuple[list[SeenChunk], list[int]]:
        """Chunks that are new since the last call, and the numbers of those that are gone."""
        found = [self._state(number) for number in sorted(self._unsaved)]
        gone = sorted(self._gone)
        self._unsaved, self._gone = set(), set()
        return found, gone

    def state(self) -> list[SeenChunk]:
        """Everything, to be given to `load`."""
        return [self._state(number) for number in self._chunks]

    def load(self, chunks: Iterable[SeenChunk]) -> None:
        """Take over what `state` returned, or what `changes` did over time."""
        self._entries, self._chunks, self._next = {}, {}, 0
        self._unsaved, self._gone = set(), set()
        for saved in sorted(chunks, key=lambda one: one.number):
            chunk = self._chunks[saved.number] = _Chunk(saved.begun_ms, saved.newest_ms)
            chunk.keys, chunk.versions = array("q", saved.keys), array("q", saved.versions)
            chunk.added = saved.added
            for place, (key, digest) in enumerate(zip(saved.keys, saved.digests, strict=True)):
                self._entries[key] = _packed(saved.number, place, digest)
            self._next = saved.number + 1

    def _state(self, number: int) -> SeenChunk:
        chunk = self._chunks[number]
        # A comment that was seen again is told of in its later chunk only, or at its later place.
        places = [
            place
            for place, key in enumerate(chunk.keys)
            if self._entries[key] >> _DIGEST_BITS == number << _PLACE_BITS | place
        ]
        keys = [chunk.keys[place] for place in places]
        return SeenChunk(
            number,
            chunk.begun_ms,
            chunk.newest_ms,
            chunk.added,
            keys,
            [self.digest(key) or 0 for key in keys],
            [chunk.versions[place] for place in places],
        )


def _packed(number: int, place: int, digest: int) -> int:
    return (number << _PLACE_BITS | place) << _DIGEST_BITS | digest


def _number(entry: int) -> int:
    return entry >> _DIGEST_BITS + _PLACE_BITS
