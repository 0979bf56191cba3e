"""From what a source yields to a record for the broker: author hashed, source and desk written on it."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

from streams.comments import Comment, encode_comment, hash_author
from streams.errors import RejectedComment, RejectReason
from streams.ingest.base import RawComment, judge
from streams.ingest.markup import says_nothing
from streams.ingest.source import BadItem, SourceComment
from streams.records import MAX_KEPT_BYTES

__all__ = ["AuthorOf", "Outgoing", "hashed_authors", "named_authors"]

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)

AuthorOf = Callable[[str, SourceComment], str]
"""Source name and comment to what stands for its author in the record."""


def hashed_authors(key: bytes) -> AuthorOf:
    """Authors as keyed hashes: the same person is recognised within a source, and the name stays here."""

    def author_of(source: str, comment: SourceComment) -> str:
        # An author that is not known stays so: the worker takes such a comment for one by somebody else.
        return hash_author(key, source, comment.author, comment_id=comment.id) if comment.author else ""

    return author_of


def named_authors(_: str, comment: SourceComment) -> str:
    """Authors by name."""
    return comment.author


class Outgoing(NamedTuple):
    """Makes records of one source for one desk."""

    source: str
    desk: str
    author_of: AuthorOf
    max_bytes: int  # the setting `max_comment_bytes`

    def record(self, item: SourceComment | BadItem) -> RawComment:
        """The record. What the worker will refuse is sent nevertheless, so that it is counted and kept."""
        if isinstance(item, BadItem):
            rejection = RejectedComment(RejectReason.INVALID_RECORD, item.detail)
            return RawComment(
                self.source, item.original[:MAX_KEPT_BYTES], len(item.original), None, None, rejection
            )
        encoded = encode_comment(self._comment(item))
        return judge(encoded, self.max_bytes, f"{self.source}:{item.id}")

    def _comment(self, item: SourceComment) -> Comment:
        # A picture alone, or a text that its author emptied: it says nothing, or nothing any more.
        if item.deleted or says_nothing(item.text):
            return Comment(id=item.id, text="", source=self.source, desk=self.desk, deleted=True)
        return Comment(
            id=item.id,
            text=item.text,
            thread=item.thread,
            thread_title=item.thread_title,
            source=self.source,
            author=self.author_of(self.source, item),
            created_at_ms=None if item.created_at is None else (item.created_at - _EPOCH) // _MILLISECOND,
            parent=item.parent,
            lang=item.lang,
            desk=self.desk,
            permalink=item.permalink,
        )
