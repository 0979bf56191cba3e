"""Which dead letters are still open, and how it is kept that one was dealt with.

The topic is a log of two kinds of records: letters, and marks that say of some of them what was done. A
letter is open until a mark names it.

Problem: a letter that was sent again or given up must not come up a second time, whichever machine looks.
Aims: no store beside Kafka, no state on the machine of whoever types the command, safe to repeat, and a trace
of what was done when. Committed offsets of a consumer group would only say "all up to here", but people deal
with letters out of their order; a compacted topic of its own would have to be made on every cluster and kept
in step. Choice: marks go into the topic of the letters. They are younger than what they name, so the topic's
retention forgets them later; whoever can read the letters can read them, and two marks of one letter say no
more than one.

A mark names letters by what they are (where the record came from, and its digest) and not by their offset: a
worker that dies between putting a record aside and moving on puts it aside again, and the two are one letter.
"""

import hashlib
from collections.abc import Collection
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal, NamedTuple

import msgspec

from streams.errors import RejectedComment, RejectReason
from streams.records import DeadLetter, decode_dead_letter

__all__ = ["Choice", "LetterMark", "Treatment", "decode_entry", "encode_mark", "letter_id"]

_ID_BYTES = 8  # 64 bits: a thousand million letters before two are likely to be taken for one


class Treatment(StrEnum):
    """What was done with a letter."""

    REPLAYED = "replayed"  # its record was sent to its topic again
    DROPPED = "dropped"  # given up


class LetterMark(msgspec.Struct, frozen=True, kw_only=True):
    """Some letters were dealt with. letters: by `letter_id`."""

    letters: list[str]
    treatment: Treatment
    at: Annotated[datetime, msgspec.Meta(tz=True)]
    record: Literal["mark"] = "mark"  # a letter has no such field


class Choice(NamedTuple):
    """Which letters a command is about: those that meet all that is asked. Empty collections ask nothing.

    topics: names on the broker; places: as a letter names them; since: put aside then or later.
    """

    reasons: Collection[RejectReason] = ()
    topics: Collection[str] = ()
    places: Collection[str] = ()
    since: datetime | None = None

    def takes(self, letter: DeadLetter) -> bool:
        """Whether the letter is one of them."""
        return (
            (not self.reasons or letter.reason in self.reasons)
            and (not self.topics or letter.topic in self.topics)
            and (not self.places or letter.place in self.places)
            and (self.since is None or letter.at >= self.since)
        )


class _Kind(msgspec.Struct):
    record: str = "letter"


_encode = msgspec.json.Encoder().encode
_kind_decoder = msgspec.json.Decoder(_Kind)
_mark_decoder = msgspec.json.Decoder(LetterMark)


def letter_id(letter: DeadLetter) -> str:
    """16 hexadecimal digits, the same for every copy of a letter."""
    digest = letter.sha256 or hashlib.sha256(letter.original).hexdigest()
    what = (letter.place, letter.topic, letter.partition, letter.offset, letter.original_size_bytes, digest)
    return hashlib.blake2b(_encode(what), digest_size=_ID_BYTES).hexdigest()


def encode_mark(mark: LetterMark) -> bytes:
    """The JSON record of a mark."""
    return _encode(mark)


def decode_entry(raw: bytes) -> DeadLetter | LetterMark:
    """A record of the topic of dead letters. Raises RejectedComment (invalid_record) for any other bytes."""
    try:
        is_mark = _kind_decoder.decode(raw).record == "mark"
        return _mark_decoder.decode(raw) if is_mark else decode_dead_letter(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RejectedComment(RejectReason.INVALID_RECORD, f"not a dead letter: {error}") from error
