"""Discourse forums: all public posts by their ids, from the list of the latest ones.

The list gives the 50 newest posts below an id, so it can be walked forward: asked for what is below the
last id and a step, it shows everything of that step. Older versions take the id itself as well, and look at
no more than 50 ids, whether or not somebody may see them; both are read the same way here.
The interface: https://docs.discourse.org/#tag/Posts.
"""

from collections.abc import AsyncIterator, Collection, Sequence
from datetime import datetime
from typing import Final
from urllib.parse import quote

import msgspec
from pydantic import Field

from streams.errors import FailureReason, SettingsError, SourceError
from streams.ingest.discourse_posts import PAGE_IDS, REGULAR_POST, Found, Latest, Post
from streams.ingest.memory import Memory, recalled
from streams.ingest.source import About, BadItem, Context, Page, Probe, Source, SourceComment
from streams.ingest.source_options import SourceOptions
from streams.polite.client import Validators

__all__ = ["Discourse", "DiscourseCursor", "DiscourseOptions"]

_MOST_STEP_IDS = 5_000
_LEAST_POSTS = 10  # count a page for so many, where nearly all posts are hidden
_REMEMBERED = 1_000
_CACHED_PARENTS = 20_000
_SAMPLES = 3
_GONE: Final = frozenset({403, 404, 410})


class DiscourseOptions(SourceOptions):
    """What a forum can be told."""

    recheck_posts: int = Field(
        default=200,
        ge=50,
        le=900,
        description="50 to 900: how many of the newest posts are looked at again",
    )
    recheck_seconds: float = Field(
        default=300.0, gt=0, le=86_400, description="above 0 to 86400: how often that is done"
    )


class DiscourseCursor(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where reading stands."""

    since: datetime | None = None  # the place to begin at is still to be found
    first_id: int = 0  # nothing from before is wanted
    last_id: int = 0  # everything up to it was read; 0: begin with what is shown first
    known: dict[str, str] = {}  # see `Memory`
    checked_at: int = 0  # when changes were looked for; seconds since 1970
    validators: Validators = Validators()  # of the newest page


class _State:
    """The cursor while it is worked on."""

    def __init__(self, cursor: DiscourseCursor) -> None:
        self.since = cursor.since
        self.first_id = cursor.first_id
        self.last_id = cursor.last_id
        self.memory = Memory(cursor.known, _REMEMBERED)
        self.checked_at = cursor.checked_at
        self.validators = cursor.validators

    def page(self, comments: Sequence[SourceComment | BadItem]) -> Page[DiscourseCursor]:
        return Page(
            comments,
            DiscourseCursor(
                since=self.since,
                first_id=self.first_id,
                last_id=self.last_id,
                known=self.memory.kept(),
                checked_at=self.checked_at,
                validators=self.validators,
            ),
        )


class Discourse(Source[DiscourseOptions, DiscourseCursor]):
    """All public posts of one forum."""

    kind = "discourse"
    about = About(
        title="Discourse forum",
        guarantee="every public post, at the next look; edits and deletions among the newest posts"
        " (recheck_posts), within recheck_seconds",
        rate="one or two requests a look, one more for each answered post that was not seen; forums allow 200"
        " a minute and 50 in 10 seconds",
        blind_spots="what only members see; posts that become public long after they were written; changes of"
        " older posts",
    )
    options_type = DiscourseOptions
    cursor_type = DiscourseCursor

    def __init__(self, options: DiscourseOptions, context: Context) -> None:
        super().__init__(options, context)
        if options.url is None:
            raise SettingsError("url is missing: the address of the forum")
        self._url = options.url.rstrip("/")
        self._parents: dict[tuple[int, int], str | None] = {}  # by topic and number in it

    def begin(self, since: datetime | None) -> DiscourseCursor:
        """See `Source`."""
        return DiscourseCursor(since=since)

    def recall(self, cursor: DiscourseCursor, ids: Collection[str]) -> DiscourseCursor:
        """See `Source`."""
        return msgspec.structs.replace(cursor, known=recalled(cursor.known, ids))

    async def fetch(self, cursor: DiscourseCursor) -> AsyncIterator[Page[DiscourseCursor]]:
        """See `Source`."""
        state = _State(cursor)
        if state.since is not None:
            state.first_id, state.since = await self._first_id(state.since), None
            state.last_id = state.first_id - 1
            yield state.page(())
        newest = await self._posts(None, state.validators)
        if newest is None:  # as it was at the last look
            newest = Found((), None, state.validators)
        state.first_id = state.first_id or newest.lowest
        state.last_id = state.last_id or newest.lowest - 1
        async for page in self._walk(state, min(newest.lowest, newest.highest)):
            yield page
        state.last_id = max(state.last_id, newest.highest)
        state.validators = newest.validators
        yield state.page(await self._news(state, newest))
        now = int(self.context.clock().timestamp())
        if now - state.checked_at >= self.options.recheck_seconds and state.last_id > 0:
            async for page in self._recheck(state, newest.lowest or state.last_id + 1):
                yield page
            state.checked_at = now
            yield state.page(())

    @classmethod
    async def probe(cls, url: str, context: Context) -> Probe | None:
        """Told by the list of the latest posts."""
        base = url.rstrip("/")
        try:
            answer = await context.http.get(f"{base}/posts.json", allow=range(400, 500))
            found = answer.decode(Latest)
        except SourceError as error:
            if error.reason is not FailureReason.MALFORMED:
                raise
            return None
        if answer.status >= 400:
            return None
        page = Found(found.latest_posts[:_SAMPLES], None, Validators())
        source = cls(DiscourseOptions(url=base), context)
        samples = [source._comment(post, None) for post in page.posts.values()]
        return Probe(base, "", samples)

    async def _posts(self, before: int | None, validators: Validators | None = None) -> Found | None:
        """A page of the list; None when it has not changed."""
        answer = await self.context.http.get(
            f"{self._url}/posts.json",
            params=None if before is None else {"before": before},
            validators=validators,
        )
        if answer.not_modified:
            return None
        return Found(answer.decode(Latest).latest_posts, before, answer.validators)

    async def _page(self, before: int) -> Found:
        found = await self._posts(before)
        if found is None:
            raise SourceError(FailureReason.MALFORMED, "not modified, which was not asked")
        return found

    async def _first_id(self, since: datetime) -> int:
        """The id from which on posts are not older than a date, found by halving."""
        newest = await self._posts(None)
        if newest is None or not newest.posts:
            return 1
        # Whether it is an older version, of which a page may be empty although there are posts below.
        is_narrow = newest.highest in (await self._page(newest.highest)).posts
        low, high = 1, newest.highest + 1
        while high - low > PAGE_IDS:
            middle = (low + high) // 2
            below = await self._newest_below(middle, low if is_narrow else middle - 1)
            if below is not None and below.created_at >= since:
                high = min(middle, below.id)
            else:
                low = middle
        page = await self._page(high)
        young = [one.id for one in page.posts.values() if one.id >= low and one.created_at >= since]
        return min(young, default=high)

    async def _newest_below(self, before: int, floor: int) -> Post | None:
        """The newest post below an id, looked for page by page down to a floor."""
        while before > floor:
            page = await self._page(before)
            if page.posts:
                return page.posts[page.highest]
            before = page.floor
        return None

    async def _walk(self, state: _State, below: int) -> AsyncIterator[Page[DiscourseCursor]]:
        """All posts after the last one that was read and below an id, in steps of what a page can show."""
        step = PAGE_IDS
        while state.last_id + 1 < below:
            before = min(below, state.last_id + 1 + step)
            found = await self._page(before)
            reaches = found.lowest <= state.last_id if found.posts else False
            if step > PAGE_IDS and not reaches:  # something between may be missing
                step = max(PAGE_IDS, step // 4)
                continue
            step = min(_MOST_STEP_IDS, step * 2) if reaches else step
            state.last_id = before - 1
            yield state.page(await self._news(state, found))

    async def _recheck(self, state: _State, before: int) -> AsyncIterator[Page[DiscourseCursor]]:
        """The newest posts again, for what has changed of them."""
        seen, lowest = 0, min(map(int, state.memory), default=before)
        while seen < self.options.recheck_posts and before > lowest:
            found = await self._page(before)
            seen += max(_LEAST_POSTS, len(found.posts))
            yield state.page(await self._news(state, found))
            before = found.floor

    async def _news(self, state: _State, found: Found) -> list[SourceComment | BadItem]:
        """What a page has that is new, or another than it was, or gone."""
        told: list[SourceComment | BadItem] = [one for one in found.bad if state.memory.tells_bad_news(one)]
        for post in found.posts.values():
            self._remember_parent(post.topic_id, post.post_number, str(post.id))
        for missing in [one for one in state.memory if found.lacks(int(one))]:
            gone = SourceComment(id=missing, deleted=True)
            if state.memory.tells_news(gone):
                told.append(gone)
        for post in found.posts.values():
            if post.post_type != REGULAR_POST or post.id < state.first_id:
                continue
            comment = self._comment(post, await self._parent(post))
            if state.memory.tells_news(comment):
                told.append(comment)
        return told

    def _comment(self, post: Post, parent: str | None) -> SourceComment:
        if post.is_gone:
            return SourceComment(id=str(post.id), deleted=True)
        slug = quote(post.topic_slug or "-", safe="")
        return SourceComment(
            id=str(post.id),
            text=post.cooked,
            thread=f"{self._url}/t/{post.topic_id}",
            thread_title=post.topic_title or "",
            author=post.username,
            created_at=post.created_at,
            parent=parent,
            permalink=f"{self._url}/t/{slug}/{post.topic_id}/{post.post_number}",
        )

    async def _parent(self, post: Post) -> str | None:
        """The id of the post that another answers, which is named by its number in the topic."""
        number = post.reply_to_post_number
        if number is None:
            return None
        key = (post.topic_id, number)
        if key not in self._parents:
            address = f"{self._url}/posts/by_number/{post.topic_id}/{number}.json"
            answer = await self.context.http.get(address, allow=_GONE)
            found = None if answer.status in _GONE else str(answer.decode(Post).id)
            self._remember_parent(*key, found)
        return self._parents[key]

    def _remember_parent(self, topic_id: int, number: int, post_id: str | None) -> None:
        self._parents[topic_id, number] = post_id
        while len(self._parents) > _CACHED_PARENTS:
            del self._parents[next(iter(self._parents))]
