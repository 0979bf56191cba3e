"""What a source has told lately, small enough for a cursor.

A connector that looks at the same comments again and again asks it of each whether there is anything new.
"""

import hashlib
from collections.abc import Collection, Iterator, Mapping

import msgspec

from streams.ingest.markup import text_digest
from streams.ingest.source import BadItem, SourceComment

__all__ = ["Memory", "recalled"]

_DELETED = "-"
_UNKNOWN = "?"
_FORGOTTEN = ""  # the id of none
_BAD = "!"


def recalled(kept: Mapping[str, str], ids: Collection[str], *, at: int = 0) -> dict[str, str]:
    """What a memory kept, with comments that may have been told: whatever becomes of them is news."""
    mark = f"{_UNKNOWN}@{at:x}" if at else _UNKNOWN
    return {**kept, **dict.fromkeys(ids, mark)}


class Memory:
    """Comments by id, in the order in which they were first told. Not for several threads.

    kept: what `kept` of an earlier one gave. limit: how many are remembered; the oldest go first.
    """

    def __init__(self, kept: Mapping[str, str], limit: int) -> None:
        self._marks = dict(kept)
        self._limit = limit
        self._forgotten_at = _at(self._marks.pop(_FORGOTTEN, ""))

    def __contains__(self, comment_id: str) -> bool:
        return comment_id in self._marks

    def __len__(self) -> int:
        return len(self._marks)

    def __iter__(self) -> Iterator[str]:
        """The ids of all that are not deleted, the first that was told first."""
        return (one for one, mark in self._marks.items() if not mark.startswith(_DELETED))

    @property
    def forgotten_at(self) -> int:
        """The latest moment that was given with a comment that is forgotten; 0 if there is none.

        Whoever looks at comments again looks no further back: what was forgotten would seem new.
        """
        return self._forgotten_at

    def is_deleted(self, comment_id: str) -> bool:
        """Whether it was told that this one is gone."""
        return self._marks.get(comment_id, "").startswith(_DELETED)

    def at(self, comment_id: str) -> int:
        """The moment that was given with it; 0 if there was none."""
        return _at(self._marks.get(comment_id, ""))

    def tells_news(self, comment: SourceComment, *, at: int = 0, key: str = "") -> bool:
        """Whether a comment is new, or another than it was; it counts as told from now on.

        A deletion is news only of a comment that is remembered. at: a moment to keep with it, 0 or more;
        key: what to remember it by instead of its id.
        """
        key = key or comment.id
        before = self._marks.get(key)
        if comment.deleted and before is None:
            return False
        mark = _DELETED if comment.deleted else f"{text_digest(comment.text):x}"
        return self._tell(key, mark, at)

    def _tell(self, key: str, mark: str, at: int = 0) -> bool:
        if self._marks.get(key, "").partition("@")[0] == mark:
            return False
        self._marks[key] = f"{mark}@{at:x}" if at else mark
        while len(self._marks) > self._limit:
            forgotten = self._marks.pop(next(iter(self._marks)))
            self._forgotten_at = max(self._forgotten_at, _at(forgotten))
        return True

    def tells_bad_news(self, item: BadItem) -> bool:
        """Whether something that cannot be read was not told of yet; it counts as told from now on."""
        return self._tell(f"{_BAD}{_name_of(item.original)}", _DELETED)

    def kept(self) -> dict[str, str]:
        """For a cursor."""
        forgotten = {_FORGOTTEN: f"@{self._forgotten_at:x}"} if self._forgotten_at else {}
        return {**forgotten, **self._marks}


class _Named(msgspec.Struct):
    id: int | str | None = None
    comment: "_Named | None" = None


def _name_of(original: bytes) -> str:
    """What tells one thing that cannot be read from another: its id, if it has one. Counters may change."""
    try:
        named = msgspec.json.decode(original, type=_Named)
    except (msgspec.DecodeError, RecursionError):
        named = _Named()
    found = named.id if named.comment is None else named.comment.id
    return str(found)[:64] if found is not None else hashlib.blake2b(original, digest_size=6).hexdigest()


def _at(mark: str) -> int:
    return int(mark.partition("@")[2] or "0", 16)
