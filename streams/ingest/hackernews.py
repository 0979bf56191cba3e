"""Hacker News, live: items by their number from Firebase, and what changes among them.

`streams.ingest.hackernews_archive` gives what was written before. The interface:
https://github.com/HackerNews/API.
"""

from collections.abc import AsyncIterator, Collection, Sequence
from datetime import UTC, datetime
from typing import Annotated, Final, NamedTuple
from urllib.parse import urlsplit

import msgspec
from pydantic import Field

from streams.errors import FailureReason, SourceError
from streams.ingest.hackernews_archive import Archive, story_address
from streams.ingest.memory import Memory, recalled
from streams.ingest.source import About, BadItem, Context, Page, Probe, Source, SourceComment
from streams.ingest.source_options import SiteUrl, SourceOptions

__all__ = ["HackerNews", "HackerNewsCursor", "HackerNewsOptions"]

_HOSTS: Final = frozenset({"news.ycombinator.com", "hacker-news.firebaseio.com", "hn.algolia.com"})
# So much in one round, which takes a minute or so: then the changes are read again before they are forgotten.
_ROUND_ITEMS = 40
_ROUND_CHECKS = 20
_REMEMBERED = 3_000  # comments of six to ten hours
_MAX_LATE = 500
_LATE_SECONDS = 3_600  # new accounts may have a delay, of minutes; what is null for longer stays so
_MISSED_SECONDS = 150  # when changes were not read for so long, some may have been missed
_OPEN_SECONDS = 9_000  # comments can be edited and deleted for two hours
_MAX_CLIMB = 200  # the deepest discussions have fewer levels
_CACHED_STORIES = 20_000
_LAST_SECOND = 4_102_444_800  # the year 2100


class HackerNewsOptions(SourceOptions):
    """What Hacker News can be told; no address is needed."""

    poll_seconds: float = Field(
        default=30.0,
        gt=0,
        le=86_400,
        description="above 0 to 86400: how long to wait before looking again",
    )
    # Both are interfaces for programs, documented as such; their robots.txt is about pages.
    robots: bool = Field(
        default=False, description="true to hold what robots.txt says against the interfaces, too"
    )
    firebase_url: SiteUrl = Field(
        default="https://hacker-news.firebaseio.com", description="where items are read, http:// or https://"
    )
    algolia_url: SiteUrl = Field(
        default="https://hn.algolia.com", description="where older comments are searched, http:// or https://"
    )

    def source_name(self, kind: str) -> str:
        """There is one Hacker News, whatever the address it is asked at."""
        return self.name or kind


class HackerNewsCursor(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where reading stands. Times are seconds since 1970."""

    since: float | None = None  # what was written from then on is to be read from the archive first
    next_id: int = 0  # the next item to read; 0: whichever is new then
    late: dict[int, int] = {}  # items that were not there yet, and since when they are waited for
    known: dict[str, str] = {}  # see `Memory`
    looked_at: int = 0  # when the changes were read
    check_below: int = (
        0  # of what changed meanwhile: known comments below this item are still to be looked at
    )


class _Item(msgspec.Struct, frozen=True):
    id: int
    type: str = ""
    by: str = ""
    time: Annotated[int, msgspec.Meta(ge=0, le=_LAST_SECOND)] = 0
    text: str = ""
    parent: int | None = None
    title: str = ""
    deleted: bool = False
    dead: bool = False


class _Story(NamedTuple):
    id: int
    title: str


class _State:
    """The cursor while it is worked on."""

    def __init__(self, cursor: HackerNewsCursor) -> None:
        self.since = cursor.since
        self.next_id = cursor.next_id
        self.late = dict(cursor.late)
        self.memory = Memory(cursor.known, _REMEMBERED)
        self.looked_at = cursor.looked_at
        self.check_below = cursor.check_below

    def page(self, comments: Sequence[SourceComment | BadItem]) -> Page[HackerNewsCursor]:
        return Page(
            comments,
            HackerNewsCursor(
                since=self.since,
                next_id=self.next_id,
                late=dict(self.late),
                known=self.memory.kept(),
                looked_at=self.looked_at,
                check_below=self.check_below,
            ),
        )


class HackerNews(Source[HackerNewsOptions, HackerNewsCursor]):
    """All comments of Hacker News."""

    kind = "hackernews"
    about = About(
        title="Hacker News (Firebase, older comments from Algolia)",
        guarantee="every comment within a minute or two; edits and deletions for the two hours in which"
        " their authors can make them, also those of a time when nobody was reading",
        rate="one request a second and comment; no limit is known (Algolia: 10,000 an hour)",
        blind_spots="comments that are dead from the start, and items that stay empty for an hour; what"
        " moderators change later than some hours; back-fill does not see what was deleted",
    )
    options_type = HackerNewsOptions
    cursor_type = HackerNewsCursor

    def __init__(self, options: HackerNewsOptions, context: Context) -> None:
        super().__init__(options, context)
        self._items = f"{options.firebase_url.rstrip('/')}/v0"
        self._archive = Archive(context.http, options.algolia_url)
        self._stories: dict[int, _Story] = {}  # of each item, its story

    def begin(self, since: datetime | None) -> HackerNewsCursor:
        """See `Source`."""
        return HackerNewsCursor(since=None if since is None else since.timestamp())

    def recall(self, cursor: HackerNewsCursor, ids: Collection[str]) -> HackerNewsCursor:
        """See `Source`."""
        return msgspec.structs.replace(cursor, known=recalled(cursor.known, ids, at=int(self._now())))

    async def fetch(self, cursor: HackerNewsCursor) -> AsyncIterator[Page[HackerNewsCursor]]:
        """See `Source`."""
        state = _State(cursor)
        if state.since is not None:
            async for comments, until, next_id in self._archive.read(state.since, self._now()):
                state.since, state.next_id = until, next_id or state.next_id
                yield state.page([one for one in comments if _is_news(one, state.memory)])
        while True:
            newest = await self._newest()
            state.next_id = state.next_id or newest + 1
            yield state.page(await self._changes(state))
            yield state.page(await self._walk(state, newest))
            if state.next_id > newest and not state.check_below:
                return

    @classmethod
    async def probe(cls, url: str, context: Context) -> Probe | None:
        """Told by the host alone."""
        if urlsplit(url).hostname not in _HOSTS:
            return None
        try:
            samples = await Archive(context.http, HackerNewsOptions().algolia_url).latest()
        except SourceError:
            samples = []  # the address says enough
        return Probe("https://news.ycombinator.com", "Hacker News", samples)

    def _now(self) -> float:
        return self.context.clock().timestamp()

    async def _newest(self) -> int:
        newest: int = (await self.context.http.get(f"{self._items}/maxitem.json")).decode(int)
        return newest

    async def _changes(self, state: _State) -> list[SourceComment | BadItem]:
        """What has become of comments that were told."""
        now = int(self._now())
        answer = await self.context.http.get(f"{self._items}/updates.json")
        changed = {one for one in answer.decode(_Updates).items if not self._is_story(one)}
        if state.looked_at and now - state.looked_at > _MISSED_SECONDS:
            state.check_below = state.next_id
        if state.check_below:
            open_since = now - _OPEN_SECONDS
            known = [int(one) for one in state.memory if state.memory.at(one) > open_since]
            unchecked = sorted((one for one in known if one < state.check_below), reverse=True)[
                :_ROUND_CHECKS
            ]
            changed.update(unchecked)
            state.check_below = unchecked[-1] if len(unchecked) == _ROUND_CHECKS else 0
        # One that was dead and is vouched for was never told: it stands between those that were.
        first = min(map(int, state.memory), default=state.next_id)
        comments: list[SourceComment | BadItem] = []
        for number in sorted(changed):
            if first <= number < state.next_id and number not in state.late:
                await self._take(number, state, comments)
        state.looked_at = now
        return comments

    def _is_story(self, number: int) -> bool:
        known = self._stories.get(number)
        return known is not None and known.id == number

    async def _walk(self, state: _State, newest: int) -> list[SourceComment | BadItem]:
        """Items that were late, then some that are new, in order."""
        comments: list[SourceComment | BadItem] = []
        new = range(state.next_id, min(newest + 1, state.next_id + _ROUND_ITEMS))
        for number in (*state.late, *new):
            await self._take(number, state, comments)
        state.next_id = max(state.next_id, new.stop)
        return comments

    async def _take(self, number: int, state: _State, comments: list[SourceComment | BadItem]) -> None:
        """Read one item; what is new of it goes to `comments`, or it is late."""
        answer = await self.context.http.get(f"{self._items}/item/{number}.json")
        item = _item(answer.json())
        comment = None if item is None else await self._comment(item)
        if item is not None and (comment is not None or item.type != "comment"):
            state.late.pop(number, None)
            if comment is not None and state.memory.tells_news(comment, at=item.time):
                comments.append(comment)
            return
        now = int(self._now())
        if now - state.late.setdefault(number, now) > _LATE_SECONDS:
            del state.late[number]
            if answer.content != b"null":
                comments.append(BadItem(answer.content, "an item of an unexpected shape"))
        if len(state.late) > _MAX_LATE:
            raise SourceError(FailureReason.MALFORMED, f"more than {_MAX_LATE} items cannot be read")

    async def _comment(self, item: _Item) -> SourceComment | None:
        """The comment of an item; None if it is none, or its story is not there yet."""
        if item.type != "comment":
            return None
        if item.deleted or item.dead:
            return SourceComment(id=str(item.id), deleted=True)
        story = await self._story(item)
        if story is None:
            return None
        return SourceComment(
            id=str(item.id),
            text=item.text,
            thread=story_address(story.id),
            thread_title=story.title,
            author=item.by,
            created_at=datetime.fromtimestamp(item.time, UTC),
            parent=None if item.parent is None else str(item.parent),
            permalink=story_address(item.id),
        )

    async def _story(self, item: _Item) -> _Story | None:
        """What an item is about, found by its parents."""
        climbed: list[int] = []
        found: _Item | None = item
        while found is not None and found.id not in self._stories and found.parent is not None:
            climbed.append(found.id)
            if len(climbed) > _MAX_CLIMB:
                return None
            if found.parent in self._stories:
                break
            found = _item((await self.context.http.get(f"{self._items}/item/{found.parent}.json")).json())
        if found is None:
            return None
        story = self._stories.get(found.id) or self._stories.get(found.parent or 0)
        story = story or _Story(found.id, found.title)
        self._stories |= dict.fromkeys((*climbed, found.id), story)
        while len(self._stories) > _CACHED_STORIES:
            del self._stories[next(iter(self._stories))]
        return story


class _Updates(msgspec.Struct, frozen=True):
    items: list[int]


def _item(found: object) -> _Item | None:
    """The item, or None if it is not there or of an unexpected shape."""
    try:
        return None if found is None else msgspec.convert(found, _Item)
    except msgspec.ValidationError:
        return None


def _is_news(found: SourceComment | BadItem, memory: Memory) -> bool:
    if isinstance(found, BadItem):
        return True
    at = 0 if found.created_at is None else int(found.created_at.timestamp())
    return memory.tells_news(found, at=at)
