"""The records of the topics, and how they become bytes.

`comments` and results are JSON, readable with any tool; `claims` is MessagePack, because it carries vectors;
`dead-letters` is JSON with the original bytes in base64. The comment itself is in `streams.comments`, the
claim in `models.types`.
"""

import hashlib
from datetime import datetime
from typing import Annotated

import msgspec

from models.types import Claim
from streams.comments import (
    Comment,
    believable_time,
    comment_key,
    decode_comment,
    encode_comment,
    hash_author,
)
from streams.errors import RejectedComment, RejectReason

__all__ = [
    "MAX_KEPT_BYTES",
    "MAX_LETTER_BYTES",
    "MAX_RECORD_BYTES",
    "ClaimBatch",
    "Comment",
    "DeadLetter",
    "believable_time",
    "comment_key",
    "cut_letter",
    "dead_letter",
    "decode_claims",
    "decode_comment",
    "decode_dead_letter",
    "encode_claims",
    "encode_comment",
    "encode_dead_letter",
    "hash_author",
]

# The most that the topics of comments and claims take. Far above `max_comment_bytes`, so that it is the
# worker who refuses a large comment, counts it and keeps it as a dead letter.
MAX_RECORD_BYTES = 16 * 1024 * 1024
# The most that the topic of dead letters takes: the largest of those records, a third longer in base64.
MAX_LETTER_BYTES = 24 * 1024 * 1024
# What is kept where the topic takes no more than the 1,000,000 bytes of a broker's default.
MAX_KEPT_BYTES = 700_000
_MAX_KEPT_KEY_BYTES = 1_024
_MAX_DETAIL_CHARACTERS = 300
_MAX_CAUSE_CHARACTERS = 1_000


class ClaimBatch(msgspec.Struct, frozen=True, kw_only=True):
    """What one comment claims: one record of the `claims` topic, keyed by desk.

    A comment that claims nothing has a record, too: its place tells the reader how far the partition is. One
    that is deleted has no claims: all that it made before is withdrawn.
    """

    desk: str
    source: str
    comment_id: str
    partition: int  # of the comment
    offset: int
    arrival_ms: int  # when the broker had the comment; epoch ms
    more_to_come: bool = False  # whether its partition held further comments when it was embedded
    claims: list[Claim]
    deleted: bool = False


class DeadLetter(msgspec.Struct, frozen=True, kw_only=True):
    """A record put aside, with all that is needed to see why and to send it again."""

    original: bytes  # base64 in JSON; only its beginning where the whole is more than the topic takes
    original_size_bytes: int  # larger than len(original) when it was cut
    sha256: str = ""  # of the whole original, hexadecimal; "" when it was never seen as a whole
    reason: RejectReason
    detail: str
    at: Annotated[datetime, msgspec.Meta(tz=True)]  # when it was put aside
    place: str  # where a person finds it: "comments[2]@57" or "FILE:LINE"
    topic: str | None = None
    partition: int | None = None
    offset: int | None = None
    key: bytes | None = None
    key_was_lost: bool = False  # there was one, too long to be kept in a letter that was cut
    cause: str = ""  # the exception behind it, if any

    @property
    def is_whole(self) -> bool:
        """Whether it can be sent again as it was."""
        return len(self.original) == self.original_size_bytes and not self.key_was_lost


_encode_msgpack = msgspec.msgpack.Encoder().encode
_encode_json = msgspec.json.Encoder().encode
_claims_decoder = msgspec.msgpack.Decoder(ClaimBatch)
_dead_letter_decoder = msgspec.json.Decoder(DeadLetter)


def encode_claims(batch: ClaimBatch) -> bytes:
    """The MessagePack record of a comment's claims."""
    return _encode_msgpack(batch)


def decode_claims(raw: bytes) -> ClaimBatch:
    """The record that `encode_claims` made. Raises RejectedComment (invalid_record) for any other bytes."""
    try:
        return _claims_decoder.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RejectedComment(RejectReason.INVALID_RECORD, f"not a record of claims: {error}") from error


def dead_letter(
    raw: bytes,
    rejection: RejectedComment,
    *,
    at: datetime,
    key: bytes | None = None,
    place: str | None = None,
    size_bytes: int | None = None,
) -> DeadLetter:
    """The record for the dead letters of bytes that were refused, whole if they are what a topic takes.

    place: needed only for what has no place in Kafka. size_bytes: of the original, when `raw` is its start.
    """
    cause = rejection.__cause__
    letter = DeadLetter(
        original=raw,
        original_size_bytes=len(raw) if size_bytes is None else size_bytes,
        sha256=hashlib.sha256(raw).hexdigest() if size_bytes in (None, len(raw)) else "",
        reason=rejection.reason,
        detail=rejection.detail[:_MAX_DETAIL_CHARACTERS],
        at=at,
        place=place or f"{rejection.topic}[{rejection.partition}]@{rejection.offset}",
        topic=rejection.topic,
        partition=rejection.partition,
        offset=rejection.offset,
        key=key,
        cause="" if cause is None else f"{type(cause).__name__}: {cause}"[:_MAX_CAUSE_CHARACTERS],
    )
    # A compressed record of a foreign producer may be larger than any topic of ours.
    return cut_letter(letter) if len(raw) + len(key or b"") > MAX_RECORD_BYTES else letter


def cut_letter(letter: DeadLetter) -> DeadLetter:
    """The letter with as much of its original as any broker takes: below 1,000,000 bytes when encoded."""
    lost = letter.key is not None and len(letter.key) > _MAX_KEPT_KEY_BYTES
    return msgspec.structs.replace(
        letter,
        original=letter.original[:MAX_KEPT_BYTES],
        key=None if lost else letter.key,
        key_was_lost=letter.key_was_lost or lost,
    )


def encode_dead_letter(letter: DeadLetter) -> bytes:
    """The JSON record of a dead letter, below MAX_LETTER_BYTES."""
    return _encode_json(letter)


def decode_dead_letter(raw: bytes) -> DeadLetter:
    """The record that `encode_dead_letter` made. Raises RejectedComment (invalid_record) for other bytes."""
    try:
        return _dead_letter_decoder.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RejectedComment(RejectReason.INVALID_RECORD, f"not a dead letter: {error}") from error
