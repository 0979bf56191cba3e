"""Mastodon: public posts with one of some hashtags, as one server knows them.

A server's ids are made of the time at which a post was written, and a post of another server arrives some
time later: then it stands between posts that were read long ago. So the timelines are read again from time to
time, `recheck_hours` back, which also shows what was edited or is gone.
The interface: https://docs.joinmastodon.org/methods/timelines/#tag.
"""

from collections.abc import AsyncIterator, Collection
from datetime import datetime
from typing import Final
from urllib.parse import quote, urlsplit

import msgspec
from pydantic import Field

from streams.errors import FailureReason, SettingsError, SourceError
from streams.ingest.mastodon_posts import (
    TIME_BITS,
    Instance,
    Status,
    id_before,
    limit_ends,
    read_status,
    seconds_of,
)
from streams.ingest.memory import Memory, recalled
from streams.ingest.option_lists import Words
from streams.ingest.source import About, BadItem, Context, Page, Probe, Source, SourceComment
from streams.ingest.source_options import SourceOptions
from streams.polite.client import Answer

__all__ = ["Mastodon", "MastodonCursor", "MastodonOptions"]

_LIMIT = 40  # the most a page may have
_OVERLAP_MS = 60_000  # a look goes so far behind the newest post, for those of the same moment
_CLOCKS_DIFFER_MS = 300_000
_REMEMBERED = 5_000
_CACHED_THREADS = 20_000
_MAX_CLIMB = 50
_SAMPLES = 3
_PUBLIC: Final = frozenset({"public", "unlisted"})
_GONE: Final = frozenset({404, 410})  # or hidden from the public, which is the same here
_TAG_PATH: Final = "tags"
_SAMPLE_OPTIONS: Final = ("tags=TAG,TAG",)


class MastodonOptions(SourceOptions):
    """Which hashtags, and how far back they are looked at again."""

    tags: Words = Field(min_length=1, max_length=20, description="1 to 20 hashtags, with or without #")
    bots: bool = Field(default=False, description="true to take posts of accounts marked as bots, too")
    recheck_hours: float = Field(
        default=3.0, gt=0, le=48, description="above 0 to 48: how far back posts are looked at again"
    )
    recheck_seconds: float = Field(
        default=600.0, gt=0, le=86_400, description="above 0 to 86400: how often that is done"
    )


class MastodonCursor(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where reading stands."""

    since: float | None = None  # nothing from before is wanted; seconds since 1970
    newest: dict[str, int] = {}  # by hashtag, the newest post that was read
    known: dict[str, str] = {}  # see `Memory`
    checked_at: float = 0.0  # when posts were looked at again; seconds since 1970


class _State:
    """The cursor while it is worked on."""

    def __init__(self, cursor: MastodonCursor) -> None:
        self.since = cursor.since
        self.newest = dict(cursor.newest)
        self.memory = Memory(cursor.known, _REMEMBERED)
        self.checked_at = cursor.checked_at

    def page(self, comments: list[SourceComment | BadItem]) -> Page[MastodonCursor]:
        cursor = MastodonCursor(self.since, dict(self.newest), self.memory.kept(), self.checked_at)
        return Page(comments, cursor)


class Mastodon(Source[MastodonOptions, MastodonCursor]):
    """Public posts with some hashtags."""

    kind = "mastodon"
    about = About(
        title="Mastodon hashtags",
        guarantee="every public post with one of the tags that the server knows, at the next look; those that"
        " arrive late, edits and deletions within recheck_seconds, if not older than recheck_hours",
        rate="one request a tag and 40 posts, one for each answered post that was not seen; servers allow 300"
        " in five minutes",
        blind_spots="posts that the server has not got; answers without the tag; servers that show their"
        " timelines to members only",
    )
    options_type = MastodonOptions
    cursor_type = MastodonCursor

    def __init__(self, options: MastodonOptions, context: Context) -> None:
        super().__init__(options, context)
        if options.url is None:
            raise SettingsError("url is missing: the address of the server")
        self._url = options.url.rstrip("/")
        self._tags = tuple(dict.fromkeys(tag.removeprefix("#").casefold() for tag in options.tags))
        if not all(tag.isidentifier() or tag.isdigit() for tag in self._tags):
            raise SettingsError("tags: a hashtag is letters, digits and _")
        self._threads: dict[str, str] = {}  # of each post, the first one of its discussion
        self._free_at = 0.0  # no requests until then

    def begin(self, since: datetime | None) -> MastodonCursor:
        """See `Source`."""
        return MastodonCursor(since=None if since is None else since.timestamp())

    def recall(self, cursor: MastodonCursor, ids: Collection[str]) -> MastodonCursor:
        """See `Source`."""
        return msgspec.structs.replace(cursor, known=recalled(cursor.known, ids))

    async def fetch(self, cursor: MastodonCursor) -> AsyncIterator[Page[MastodonCursor]]:
        """See `Source`."""
        state = _State(cursor)
        now = self.context.clock().timestamp()
        again = now - state.checked_at >= self.options.recheck_seconds
        floor = max(
            id_before((now - self.options.recheck_hours * 3_600) * 1_000),
            id_before((state.since or 0) * 1_000),
            id_before((state.memory.forgotten_at + 1) * 1_000),
        )
        latest = id_before(now * 1_000 + _CLOCKS_DIFFER_MS)
        seen: set[str] = set()
        for tag in self._tags:
            start = self._start(state, tag)
            if again and state.newest and start:
                start = min(start, floor)
            async for statuses, bad in self._timeline(tag, start):
                seen.update(one.id for one in statuses)
                # A forged date must not keep what comes until then from being read.
                ids = [int(one.id) for one in statuses if int(one.id) <= latest]
                newest = max(ids, default=0)
                state.newest[tag] = max(state.newest.get(tag, 0), newest)
                bad_news = [one for one in bad if state.memory.tells_bad_news(one)]
                yield state.page([*bad_news, *await self._news(state, statuses)])
        if again:
            # A timeline without any post is one that is not shown any more, and says nothing of its posts.
            missing = [one for one in state.memory if seen and one not in seen and int(one) > floor]
            for one in missing:
                yield state.page(
                    [found for found in await self._again(one) if state.memory.tells_news(found)]
                )
            state.checked_at = now
            yield state.page([])

    @classmethod
    async def probe(cls, url: str, context: Context) -> Probe | None:
        """Told by what the server says of itself; samples only where the address is that of a hashtag."""
        parts = urlsplit(url)
        base = f"{parts.scheme}://{parts.netloc}"
        try:
            answer = await context.http.get(f"{base}/api/v2/instance", allow=range(400, 500))
            instance = answer.decode(Instance) if answer.status < 400 else None
        except SourceError as error:
            if error.reason is not FailureReason.MALFORMED:
                raise
            return None
        if instance is None or not instance.is_mastodon:
            return None
        path = parts.path.strip("/").split("/")
        if len(path) != 2 or path[0] != _TAG_PATH:
            return Probe(base, instance.title, [], _SAMPLE_OPTIONS)
        source = cls(MastodonOptions(url=base, tags=(path[1],)), context)
        async for statuses, _ in source._timeline(path[1], 0):
            shown = [await source._comment(one) for one in statuses[:_SAMPLES]]
            return Probe(base, instance.title, shown, (f"tags={path[1]}",))
        return Probe(base, instance.title, [], (f"tags={path[1]}",))

    def _start(self, state: _State, tag: str) -> int:
        """The id behind which to begin; 0: with the newest page."""
        newest = state.newest.get(tag)
        if newest is None:
            return 0 if state.since is None else id_before(state.since * 1_000)
        return max(0, newest - (_OVERLAP_MS << TIME_BITS))

    async def _timeline(self, tag: str, start: int) -> AsyncIterator[tuple[list[Status], list[BadItem]]]:
        """The posts behind an id, page by page, the oldest first; the newest page if it is 0."""
        while True:
            params: dict[str, str | int] = {"limit": _LIMIT, **({"min_id": start} if start else {})}
            answer = await self._get(f"/api/v1/timelines/tag/{quote(tag, safe='')}", params)
            raws: list[msgspec.Raw] = answer.decode(list[msgspec.Raw])
            found = [read_status(raw) for raw in raws]
            statuses = sorted((one for one in found if isinstance(one, Status)), key=lambda one: int(one.id))
            yield statuses, [one for one in found if isinstance(one, BadItem)]
            # A page that is not full is the end for now: the next look begins before it.
            if not start or len(raws) < _LIMIT or not statuses or int(statuses[-1].id) <= start:
                return
            start = int(statuses[-1].id)

    async def _news(self, state: _State, statuses: list[Status]) -> list[SourceComment]:
        return [
            comment
            for one in statuses
            if (comment := await self._comment(one)) and state.memory.tells_news(comment, at=seconds_of(one))
        ]

    async def _again(self, status_id: str) -> list[SourceComment]:
        """What has become of a post that is listed no more: it is gone, or has lost its hashtag."""
        answer = await self._get(f"/api/v1/statuses/{status_id}", allow=_GONE)
        if answer.status in _GONE:
            return [SourceComment(id=status_id, deleted=True)]
        return [await self._comment(answer.decode(Status))]

    async def _comment(self, status: Status) -> SourceComment:
        unwanted = status.account.bot and not self.options.bots
        if unwanted or status.reblog is not None or status.visibility not in _PUBLIC:
            return SourceComment(id=status.id, deleted=True)
        return SourceComment(
            id=status.id,
            text=status.content,
            thread=await self._thread(status),
            thread_title=status.card.title if status.card is not None else "",
            author=status.account.acct,
            created_at=status.created_at,
            parent=status.in_reply_to_id,
            lang=status.language or "",
            permalink=status.url or status.uri,
        )

    async def _thread(self, status: Status) -> str:
        """The id of the first post of a discussion, as far as the server knows it."""
        climbed = [status.id]
        parent = status.in_reply_to_id
        while parent is not None and parent not in self._threads and len(climbed) < _MAX_CLIMB:
            climbed.append(parent)
            answer = await self._get(f"/api/v1/statuses/{quote(parent, safe='')}", allow=_GONE)
            parent = None if answer.status in _GONE else answer.decode(Status).in_reply_to_id
        root = climbed[-1] if parent is None else self._threads.get(parent, parent)
        self._threads |= dict.fromkeys(climbed, root)
        while len(self._threads) > _CACHED_THREADS:
            del self._threads[next(iter(self._threads))]
        return root

    async def _get(
        self, path: str, params: dict[str, str | int] | None = None, allow: frozenset[int] = frozenset()
    ) -> Answer:
        """An answer, unless the server's limit is reached: then it is left alone until it says."""
        now = self.context.clock().timestamp()
        if self._free_at > now:
            wait = self._free_at - now
            raise SourceError(
                FailureReason.BUSY, "the server's rate limit is reached", retry_after_seconds=wait
            )
        answer = await self.context.http.get(f"{self._url}{path}", params=params, allow=allow)
        if answer.headers.get("X-RateLimit-Remaining", "").strip() == "0":
            self._free_at = limit_ends(answer.headers.get("X-RateLimit-Reset", ""), now)
        return answer
