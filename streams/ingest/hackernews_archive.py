"""What was written on Hacker News before somebody followed it: Algolia's search by date.

A search gives the newest 1,000 of its hits and no more, so time is cut into slices that have fewer. The
interface: https://hn.algolia.com/api.
"""

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

import msgspec

from streams.errors import FailureReason, SourceError
from streams.ingest.source import BadItem, SourceComment
from streams.polite.client import PoliteClient

__all__ = ["Archive", "Slice", "story_address"]

_MAX_HITS = 1_000
_FIRST_SLICE_SECONDS = 3_600
_MAX_SLICE_SECONDS = 24 * 3_600
_LAG_SECONDS = 900  # the search learns of comments somewhat later: these are read one by one
_SAMPLES = 3


class Slice(NamedTuple):
    """The comments of some time, in order. until: up to when; None: to the end of what is searched.

    next_id: of the first item after it, known at the end; 0 before, and when there was nothing at all.
    """

    comments: Sequence[SourceComment | BadItem]
    until: float | None
    next_id: int


class _Hit(msgspec.Struct, frozen=True, rename={"id": "objectID"}):
    id: str
    created_at_i: int
    author: str = ""
    comment_text: str | None = None
    story_id: int | None = None
    story_title: str | None = None
    parent_id: int | None = None


class _Found(msgspec.Struct, frozen=True):
    hits: list[msgspec.Raw]


def story_address(item_id: int) -> str:
    """Where people read an item: a story with its discussion, or one comment."""
    return f"https://news.ycombinator.com/item?id={item_id}"


class Archive:
    """The search by date. url: where it is, without a path."""

    def __init__(self, http: PoliteClient, url: str) -> None:
        self._http = http
        self._url = f"{url.rstrip('/')}/api/v1/search_by_date"

    async def latest(self) -> list[SourceComment]:
        """A few comments, the newest first.  Raises SourceError."""
        found = await self._search("", _SAMPLES)
        return [one for one in map(_comment, found) if isinstance(one, SourceComment)]

    async def read(self, since: float, now: float) -> AsyncIterator[Slice]:
        """All comments from `since` until a while before `now`, seconds since 1970; the oldest slice first.

        Raises SourceError.
        """
        start, end = int(since), max(int(since), int(now - _LAG_SECONDS))
        seconds = _FIRST_SLICE_SECONDS
        while start < end:
            until = min(end, start + seconds)
            found = await self._search(f"created_at_i>={start},created_at_i<{until}", _MAX_HITS)
            if len(found) >= _MAX_HITS and seconds > 1:
                seconds = max(1, seconds // 2)
                continue
            if len(found) < _MAX_HITS // 3:
                seconds = min(_MAX_SLICE_SECONDS, seconds * 2)
            start = until
            yield Slice([_comment(one) for one in reversed(found)], start, 0)
        last = await self._search(f"created_at_i<{end}", 1)
        numbers = [int(one.id) for one in map(_comment, last) if isinstance(one, SourceComment)]
        yield Slice([], None, max(numbers) + 1 if numbers else 0)

    async def _search(self, filters: str, hits: int) -> list[msgspec.Raw]:
        params: dict[str, str | int] = {"tags": "comment", "hitsPerPage": hits}
        if filters:
            params["numericFilters"] = filters
        found: _Found = (await self._http.get(self._url, params=params)).decode(_Found)
        if len(found.hits) > hits:
            raise SourceError(FailureReason.MALFORMED, "more hits than were asked for")
        return found.hits


def _comment(raw: msgspec.Raw) -> SourceComment | BadItem:
    try:
        hit = msgspec.json.decode(raw, type=_Hit)
        created_at = datetime.fromtimestamp(hit.created_at_i, UTC)
        number = int(hit.id)
    except (ValueError, OverflowError, OSError):
        return BadItem(bytes(raw), "a hit of an unexpected shape")
    return SourceComment(
        id=str(number),
        text=hit.comment_text or "",
        thread="" if hit.story_id is None else story_address(hit.story_id),
        thread_title=hit.story_title or "",
        author=hit.author,
        created_at=created_at,
        parent=None if hit.parent_id is None else str(hit.parent_id),
        permalink=story_address(number),
    )
