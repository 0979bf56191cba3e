"""The mentions of a replay that stand in the end: of each comment and narrative what was said last.

While the replay runs they wait in a file as they are told; kept in memory is one number a line. At the end it
is known which narratives merged, and so which lines are of the same one.
"""

import hashlib
from array import array
from collections.abc import Callable
from typing import BinaryIO

import msgspec

from models.outcome import Mention
from streams.results import MentionRecord

__all__ = ["MentionLines"]

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(MentionRecord).decode


class MentionLines:
    """Takes mentions in stream order. waiting: an empty file of its own, open to write and to read."""

    def __init__(self, waiting: BinaryIO) -> None:
        self._waiting = waiting

    def add(self, desk: str, mention: Mention) -> None:
        """A mention, or that one is withdrawn."""
        record = MentionRecord(desk=desk, **msgspec.structs.asdict(mention))
        self._waiting.write(_encode(record) + b"\n")

    def write(self, file: BinaryIO, resolve: Callable[[str], str]) -> None:
        """Those that stand, a line each, in stream order. resolve: the id that a narrative lives on under."""
        last: dict[int, int] = {}
        keys = array("Q")
        for number, record in enumerate(self._records()):
            key = _key(record.desk, resolve(record.narrative_id), record.source, record.comment_id)
            keys.append(key)
            last[key] = number
        for number, record in enumerate(self._records()):
            if last[keys[number]] == number and not record.withdrawn:
                standing = msgspec.structs.replace(record, narrative_id=resolve(record.narrative_id))
                file.write(_encode(standing) + b"\n")

    def _records(self) -> "map[MentionRecord]":
        self._waiting.seek(0)
        return map(_decode, self._waiting)


def _key(*parts: str) -> int:
    """64 bits that stand for a comment and a narrative of a desk."""
    return int.from_bytes(hashlib.blake2b(_encode(parts), digest_size=8).digest(), "little")
