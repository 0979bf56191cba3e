"""Lemmy instances: comments by date, from the list that is sorted so, in version 3 or 4 of the interface.

A comment of another instance arrives some time after it was written and is sorted by the date it was written
at. So the list is read again from time to time, further back than the last comment (`recheck_hours`), which
also shows what was edited. The interface: https://join-lemmy.org/docs/contributors/04-api.html.
"""

import re
from collections.abc import AsyncIterator, Collection
from datetime import datetime
from typing import Final, NamedTuple

import msgspec
from pydantic import Field

from streams.errors import FailureReason, SettingsError, SourceError
from streams.ingest.lemmy_views import Listing, One, SiteAnswer, View, read_view
from streams.ingest.memory import Memory, recalled
from streams.ingest.source import About, BadItem, Context, Page, Probe, Source, SourceComment
from streams.ingest.source_options import SourceOptions

__all__ = ["Lemmy", "LemmyCursor", "LemmyOptions"]

_LIMIT = 50  # the most a page may have
_MOST_PAGES = 400
_PAGE_COMMENTS = 200
_REMEMBERED = 5_000
_OVERLAP_SECONDS = 60  # a look goes so far behind the newest comment, for those of the same moment
_SAMPLES = 3
_RATE_LIMIT = "rate_limit_error"
_UNDEFINED = "und"
_GONE: Final = frozenset({404, 410})
_NOT_FOUND: Final = re.compile(rb"couldnt_find|not_found")  # up to version 0.19 with status 400
_REFUSED: Final = frozenset(range(400, 500)) - {408, 425, 429}  # of which these pass


class LemmyOptions(SourceOptions):
    """What an instance can be told."""

    community: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z0-9_.-]+(@[A-Za-z0-9.-]+)?$",
        max_length=255,
        description="a community as name or name@host; none: all that the instance knows",
    )
    local: bool = Field(default=False, description="true for communities of this instance alone; else false")
    bots: bool = Field(default=False, description="true to take comments of accounts marked as bots, too")
    recheck_hours: float = Field(
        default=2.0, gt=0, le=48, description="above 0 to 48: how far back comments are looked at again"
    )
    recheck_seconds: float = Field(
        default=600.0, gt=0, le=86_400, description="above 0 to 86400: how often that is done"
    )


class LemmyCursor(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where reading stands. Times are seconds since 1970."""

    since: float = 0.0  # nothing from before is wanted
    newest: float = 0.0  # the date of the newest that was read; 0: begin with what is shown first
    known: dict[str, str] = {}  # see `Memory`
    checked_at: float = 0.0  # when comments were looked at again


class _Read(NamedTuple):
    """What one look at the list gave. views: the oldest first; reached: how far back it went."""

    views: list[View]
    bad: list[BadItem]
    reached: float


class Lemmy(Source[LemmyOptions, LemmyCursor]):
    """The comments that an instance knows, its own and those of others."""

    kind = "lemmy"
    about = About(
        title="Lemmy instance (API version 3 or 4)",
        guarantee="every comment at the next look; those that arrive late, edits and deletions within"
        " recheck_seconds, if they are not older than recheck_hours",
        rate="one request for 50 comments, one for each that is gone; instances set their own limits",
        blind_spots="what arrives from other instances later than recheck_hours; after a pause, more than the"
        " newest 20,000 comments; communities that only members see",
    )
    options_type = LemmyOptions
    cursor_type = LemmyCursor

    def __init__(self, options: LemmyOptions, context: Context) -> None:
        super().__init__(options, context)
        if options.url is None:
            raise SettingsError("url is missing: the address of the instance")
        self._url = options.url.rstrip("/")
        self._api = ""  # "v3" or "v4", once it is known
        self._languages: dict[int, str] = {}

    def begin(self, since: datetime | None) -> LemmyCursor:
        """See `Source`."""
        start = 0.0 if since is None else since.timestamp()
        return LemmyCursor(since=start, newest=start)

    def recall(self, cursor: LemmyCursor, ids: Collection[str]) -> LemmyCursor:
        """See `Source`."""
        return msgspec.structs.replace(
            cursor, known=recalled(cursor.known, ids, at=int(self.context.clock().timestamp()))
        )

    async def fetch(self, cursor: LemmyCursor) -> AsyncIterator[Page[LemmyCursor]]:
        """See `Source`."""
        if not self._api:
            await self._meet()
        now = self.context.clock().timestamp()
        again = now - cursor.checked_at >= self.options.recheck_seconds
        memory = Memory(cursor.known, _REMEMBERED)
        read = await self._read(self._back_to(cursor, memory) if again else _overlap(cursor))
        newest, checked_at = cursor.newest, cursor.checked_at
        news: list[SourceComment | BadItem] = [one for one in read.bad if memory.tells_bad_news(one)]
        for view in read.views:
            comment = self._comment(view)
            if memory.tells_news(comment, at=int(view.at)):
                news.append(comment)
            newest = max(newest, min(view.at, now))
            if len(news) >= _PAGE_COMMENTS:
                yield Page(news, LemmyCursor(cursor.since, newest, memory.kept(), checked_at))
                news = []
        news += [gone for gone in await self._gone(memory, read) if memory.tells_news(gone)]
        if again:
            checked_at = now
        yield Page(news, LemmyCursor(cursor.since, newest, memory.kept(), checked_at))

    def _back_to(self, cursor: LemmyCursor, memory: Memory) -> float | None:
        """The moment down to which comments are looked at again."""
        overlap = _overlap(cursor)
        if overlap is None or not cursor.known:
            return overlap
        window = cursor.newest - self.options.recheck_hours * 3_600
        return min(overlap, max(cursor.since, window, memory.forgotten_at + 1))

    @classmethod
    async def probe(cls, url: str, context: Context) -> Probe | None:
        """Told by what the site says of itself."""
        base = url.rstrip("/")
        source = cls(LemmyOptions(url=base), context)
        try:
            await source._meet()
            read = await source._page(1, None)
        except SourceError as error:
            if error.reason not in (FailureReason.MALFORMED, FailureReason.REFUSED):
                raise
            return None
        views = [one for one in map(read_view, read.comments[:_SAMPLES]) if isinstance(one, View)]
        return Probe(base, "", [source._comment(one) for one in views])

    async def _meet(self) -> None:
        """Learn which version it speaks, and its languages."""
        for version in ("v4", "v3"):
            answer = await self.context.http.get(f"{self._url}/api/{version}/site", allow=_REFUSED)
            if answer.status < 400:
                site: SiteAnswer = answer.decode(SiteAnswer)
                self._languages = {one.id: one.code for one in site.all_languages if one.code != _UNDEFINED}
                self._api = version
                return
            _raise_if_limited(answer.content, answer.status)
        raise SourceError(FailureReason.REFUSED, "no Lemmy answers at this address", status=answer.status)

    async def _read(self, back_to: float | None) -> _Read:
        """The list from the newest comment back to some moment; only its first page when there is none."""
        views: dict[int, View] = {}
        bad: dict[bytes, BadItem] = {}
        page_cursor: str | None = None
        reached = 0.0
        for number in range(1, _MOST_PAGES + 1):
            page = await self._page(number, page_cursor)
            for raw in page.comments:
                view = read_view(raw)
                if isinstance(view, BadItem):
                    bad[view.original] = view
                else:
                    views.setdefault(view.comment.id, view)
                    reached = view.at
            page_cursor = page.next_page
            at_end = page_cursor is None if self._api == "v4" else len(page.comments) < _LIMIT
            if at_end:
                reached = 0.0
            if at_end or back_to is None or reached < back_to:
                break
        wanted = [one for one in views.values() if back_to is None or one.at >= back_to]
        return _Read(
            sorted(wanted, key=lambda one: (one.at, one.comment.id)),
            list(bad.values()),
            max(reached, back_to or 0.0),
        )

    async def _page(self, number: int, page_cursor: str | None) -> Listing:
        is_v4 = self._api == "v4"
        scope = "local" if self.options.local else "all"
        params: dict[str, str | int] = {"limit": _LIMIT}
        if is_v4:
            params |= {"type_": scope, "sort": "new"}
        else:
            params |= {"type_": scope.title(), "sort": "New", "page": number}
        if page_cursor is not None:
            params["page_cursor"] = page_cursor
        if self.options.community is not None:
            params["community_name_or_id" if is_v4 else "community_name"] = self.options.community
        answer = await self.context.http.get(
            f"{self._url}/api/{self._api}/comment/list", params=params, allow=_REFUSED
        )
        if answer.status >= 400:
            _raise_if_limited(answer.content, answer.status)
            detail = f"the list of comments is refused with status {answer.status}"
            raise SourceError(FailureReason.REFUSED, detail, status=answer.status)
        found: Listing = answer.decode(Listing)
        return found

    async def _gone(self, memory: Memory, read: _Read) -> list[SourceComment]:
        """The comments that were told, are not listed any more, and are deleted or removed."""
        if not read.views:
            return []
        listed = {str(one.comment.id) for one in read.views}
        missing = [one for one in memory if one not in listed and memory.at(one) > read.reached]
        return [SourceComment(id=one, deleted=True) for one in missing if await self._is_gone(one)]

    async def _is_gone(self, comment_id: str) -> bool:
        # Not listed is not gone: pages shift while they are read.
        answer = await self.context.http.get(
            f"{self._url}/api/{self._api}/comment", params={"id": comment_id}, allow=_REFUSED
        )
        if answer.status >= 400:
            _raise_if_limited(answer.content, answer.status)
            # An instance that has closed its doors says nothing of its comments.
            if answer.status not in _GONE and _NOT_FOUND.search(answer.content) is None:
                detail = f"a comment is refused with status {answer.status}"
                raise SourceError(FailureReason.REFUSED, detail, status=answer.status)
            return True
        comment = answer.decode(One).comment_view.comment
        return bool(comment.deleted or comment.removed)

    def _comment(self, view: View) -> SourceComment:
        comment, creator = view.comment, view.creator
        if comment.deleted or comment.removed or (creator.bot_account and not self.options.bots):
            return SourceComment(id=str(comment.id), deleted=True)
        above = comment.path.split(".")[1:-1]  # "0", then its ancestors, then itself
        return SourceComment(
            id=str(comment.id),
            text=comment.content,
            thread=view.post.ap_id or f"{self._url}/post/{view.post.id}",
            thread_title=view.post.name,
            author=creator.actor_id or creator.ap_id or creator.name,
            created_at=view.published,
            parent=above[-1] if above else None,
            lang=self._languages.get(comment.language_id, ""),
            permalink=comment.ap_id,
        )


def _overlap(cursor: LemmyCursor) -> float | None:
    """A little before the newest comment; None at the beginning."""
    return max(cursor.since, cursor.newest - _OVERLAP_SECONDS) if cursor.newest else None


def _raise_if_limited(content: bytes, status: int) -> None:
    """Raises SourceError if that is what an answer says: version 3 does so with status 400."""
    if len(content) < 1_000 and _RATE_LIMIT.encode() in content:
        raise SourceError(FailureReason.BUSY, "the instance's rate limit is reached", status=status)
