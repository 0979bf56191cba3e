"""The contract of all sources: an iterator of `RawComment`s, in the order in which they are to arrive.

A source never raises for a bad record and never leaves one out: it yields it with its rejection, so that the
caller can count it, put it aside and go on. It raises InputError when nothing more can be read.
Callers may not assume that ids are unique, that dates ascend, or that a text is clean.
"""

from typing import NamedTuple

from streams.comments import Comment, decode_comment
from streams.errors import RejectedComment

__all__ = ["RawComment", "judge"]


class RawComment(NamedTuple):
    """One record of a source, with what became of it: either `comment` or `rejection` is set."""

    place: str  # "FILE:LINE", for people
    original: bytes  # as the source had it; only its beginning when `size_bytes` is larger
    size_bytes: int
    record: bytes | None  # JSON for the topic of comments; None: no record could be made of it
    comment: Comment | None
    rejection: RejectedComment | None


def judge(record: bytes, max_bytes: int, place: str, original: bytes | None = None) -> RawComment:
    """The record as a `RawComment`. original: when the source's own bytes are others.

    The record is kept even when it is refused here: through Kafka it is the worker who judges.
    """
    source = record if original is None else original
    try:
        comment = decode_comment(record, max_bytes)
    except RejectedComment as rejection:
        return RawComment(place, source, len(source), record, None, rejection)
    return RawComment(place, source, len(source), record, comment, None)
