"""Comments of a WordPress site by its REST API, `/wp-json/wp/v2/comments`, as anybody may read it.

New comments are asked for at every poll, from a little before the newest one on. What is not told of by date
is found by reading the last `window_hours` again every `rescan_seconds`: comments that were approved late and
bear the date at which they were written, edits (the visible text differs), and comments that are gone. One is
taken for gone only when the site, asked for it by its id, does not show it: then it was deleted, marked as
spam or put back into moderation, which nobody outside can tell apart.

A page with fewer comments than asked for is not the last one: what belongs to private articles is left out
after counting. The header X-WP-TotalPages tells the end.
"""

import re
from collections.abc import AsyncIterator, Collection, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import ClassVar, Final, NamedTuple

import msgspec
from pydantic import Field

from streams.errors import FailureReason, SourceError
from streams.ingest.markup import declared_links, text_digest, visible_text
from streams.ingest.source import About, BadItem, Context, Page, Probe, Source, SourceComment
from streams.ingest.source_options import SiteUrl, SourceOptions

__all__ = ["WordPress", "WordPressCursor", "WordPressOptions"]

_PER_PAGE = 100  # the most that WordPress gives
_OVERLAP_SECONDS = 600  # before the newest comment: approved within minutes, or written in the same second
_MOST_KNOWN = 15_000  # comments that a cursor remembers, 30 bytes each
_FIRST_LOOK = timedelta(days=1)
_API_RELATION: Final = "https://api.w.org/"
_FIELDS: Final = "id,parent,author_name,date_gmt,content,link,_links.up,_embedded.up"
_COMMENT_PAGE: Final = re.compile(r"comment-page-\d+/?$|[?&]cpage=\d+$")
_SAMPLES = 3


class WordPressOptions(SourceOptions):
    """Which site, and how far back it is read again."""

    url: SiteUrl = Field(description="the address of the site, http:// or https://")
    window_hours: float = Field(
        default=72.0,
        gt=0,
        le=2_160,
        description="above 0 to 2160: how far back late approvals, edits and deletions are noticed",
    )
    rescan_seconds: float = Field(
        default=900.0, gt=0, le=604_800, description="above 0 to 604800: how often that is read again"
    )


class Known(NamedTuple):
    """What is remembered of a comment.

    digest: of its visible text, -1 if that is not known; date: whole seconds since 1970.
    """

    digest: int
    date: int


class WordPressCursor(msgspec.Struct, frozen=True, kw_only=True):
    """How far the site was read. Times are seconds since 1970."""

    since: float  # nothing from before is wanted
    newest: float  # the date of the newest comment that was delivered, or `since`
    caught_up: bool = False  # all from `since` on has been read once
    rescanned_at: float = 0.0
    known: dict[int, Known] = {}


class _Rendered(msgspec.Struct):
    rendered: str = ""


class _Item(msgspec.Struct):
    """A comment as the API gives it, as far as it is read here."""

    id: int
    content: _Rendered
    date_gmt: str = ""
    parent: int | None = None
    author_name: str | None = None
    link: str | None = None
    embedded: msgspec.Raw = msgspec.field(name="_embedded", default=msgspec.Raw(b"{}"))


class _Article(msgspec.Struct):
    title: _Rendered = msgspec.field(default_factory=_Rendered)


class _Embedded(msgspec.Struct):
    up: list[_Article] = []


class _Found(NamedTuple):
    """One page of an answer. last: whether no other follows."""

    items: Sequence[_Item | BadItem]
    last: bool


class WordPress(Source[WordPressOptions, WordPressCursor]):
    """See the module."""

    kind: ClassVar[str] = "wordpress"
    about: ClassVar[About] = About(
        title="WordPress comments (REST API)",
        guarantee="every approved comment at least once; late approvals, edits and deletions of the last"
        " window_hours (72) within rescan_seconds (900)",
        rate="one request each poll_seconds (60), and one for 100 comments of the window each rescan",
        blind_spots="comments that wait for approval; what is approved, edited or deleted later than"
        " window_hours after it was written; sites that close their REST API: use feed there",
    )
    options_type: ClassVar[type[SourceOptions]] = WordPressOptions
    cursor_type: ClassVar[type[msgspec.Struct]] = WordPressCursor

    def __init__(self, options: WordPressOptions, context: Context) -> None:
        super().__init__(options, context)
        self._endpoint: str | None = None

    def begin(self, since: datetime | None) -> WordPressCursor:
        """See `Source`. Without a date: the last day."""
        start = (since or self.context.clock() - _FIRST_LOOK).timestamp()
        return WordPressCursor(since=start, newest=start)

    def recall(self, cursor: WordPressCursor, ids: Collection[str]) -> WordPressCursor:
        """See `Source`. They are taken for edited if they are there, and for deleted if not."""
        today = int(self.context.clock().timestamp())
        recalled = {int(one): Known(-1, today) for one in ids if one.isdecimal()}
        return msgspec.structs.replace(cursor, known={**cursor.known, **recalled})

    async def fetch(self, cursor: WordPressCursor) -> AsyncIterator[Page[WordPressCursor]]:
        """See `Source`."""
        now = self.context.clock().timestamp()
        # First what is new: it does not wait for a long look at what is old, which may fail.
        async for page in self._read_on(cursor, now):
            cursor = page.cursor
            yield page
        if now - cursor.rescanned_at >= self.options.rescan_seconds:
            async for page in self._rescan(cursor, now):
                yield page

    async def _read_on(self, cursor: WordPressCursor, now: float) -> AsyncIterator[Page[WordPressCursor]]:
        """What is new since the newest comment, oldest first."""
        start = max(cursor.since, cursor.newest - _OVERLAP_SECONDS)
        async for items in self._scan(start):
            comments, cursor = _take(cursor, items, now)
            # What lies further back than the window is read once and not looked after.
            cursor = self._forgetting(cursor, now)
            yield Page(comments, cursor)
        if not cursor.caught_up:
            yield Page((), msgspec.structs.replace(cursor, caught_up=True, rescanned_at=now))

    async def _rescan(self, cursor: WordPressCursor, now: float) -> AsyncIterator[Page[WordPressCursor]]:
        """The window again: what was approved late, edited, or is gone."""
        cursor = self._forgetting(cursor, now)
        start = self._window_start(cursor, now)
        seen: set[int] = set()
        async for items in self._scan(start):
            seen |= {item.id for item in items if isinstance(item, _Item)}
            comments, cursor = _take(cursor, items, now)
            yield Page(comments, cursor)
        missing = [n for n, one in cursor.known.items() if n not in seen and one.date >= start]
        for first in range(0, len(missing), _PER_PAGE):
            asked = missing[first : first + _PER_PAGE]
            items = await self._by_id(asked)
            comments, cursor = _take(cursor, items, now)
            gone = set(asked) - {item.id for item in items if isinstance(item, _Item)}
            known = {number: one for number, one in cursor.known.items() if number not in gone}
            cursor = msgspec.structs.replace(cursor, known=known)
            deleted = [SourceComment(id=str(number), deleted=True) for number in sorted(gone)]
            yield Page([*comments, *deleted], cursor)
        yield Page((), msgspec.structs.replace(cursor, rescanned_at=now))

    def _window_start(self, cursor: WordPressCursor, now: float) -> float:
        start = max(cursor.since, now - self.options.window_hours * 3_600)
        if len(cursor.known) >= _MOST_KNOWN:
            # What has been forgotten would look new: the window is only as long as the memory.
            start = max(start, min(one.date for one in cursor.known.values()))
        return start

    def _forgetting(self, cursor: WordPressCursor, now: float) -> WordPressCursor:
        """The cursor without what has left the window, and what is too much."""
        start = min(now - self.options.window_hours * 3_600, cursor.newest - _OVERLAP_SECONDS)
        kept = [(number, one) for number, one in cursor.known.items() if one.date >= start]
        if len(kept) > _MOST_KNOWN:
            kept = sorted(kept, key=lambda entry: entry[1].date)[-_MOST_KNOWN:]
        return msgspec.structs.replace(cursor, known=dict(kept))

    async def _scan(self, after: float) -> AsyncIterator[Sequence[_Item | BadItem]]:
        """All comments dated later than `after`, oldest first, 100 at a time.

        Goes on from the date of the last one, not by the number of the page: a comment that is deleted
        meanwhile would push another one across the border between two pages.
        """
        number = 1
        while True:
            found = await self._page(after, number)
            yield found.items
            if found.last:
                return
            dates = [_date(item) for item in found.items if isinstance(item, _Item)]
            furthest = max((date for date in dates if date is not None), default=after)
            if furthest - 1 > after:
                after, number = furthest - 1, 1
            else:
                number += 1

    async def _page(self, after: float, number: int) -> _Found:
        moment = datetime.fromtimestamp(int(after), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        answer = await self._ask(
            {"after": moment, "order": "asc", "orderby": "date_gmt", "page": number, "per_page": _PER_PAGE}
        )
        total = answer.total_pages
        # A header that something on the way took out: then an empty page is the end.
        return _Found(answer.items, number >= total if total is not None else not answer.items)

    async def _by_id(self, numbers: Iterable[int]) -> Sequence[_Item | BadItem]:
        include = ",".join(map(str, numbers))
        return (await self._ask({"include": include, "per_page": _PER_PAGE})).items

    async def _ask(self, params: dict[str, str | int]) -> "_Listing":
        if self._endpoint is None:
            self._endpoint = await _endpoint(self.options.url, self.context)
        return await _list(self._endpoint, params, self.context)

    @classmethod
    async def probe(cls, url: str, context: Context) -> Probe | None:
        """See `Source`: a site that says where its API is, and an API that lists comments."""
        try:
            endpoint = await _endpoint(url, context)
            listing = await _list(endpoint, {"per_page": _SAMPLES}, context)
        except SourceError as error:
            if error.reason in (FailureReason.REFUSED, FailureReason.MALFORMED):
                return None
            raise
        samples = [_comment(item) for item in listing.items if isinstance(item, _Item)]
        return Probe(re.split(r"/wp-json/|/(?:index\.php)?\?rest_route=", endpoint)[0], "WordPress", samples)


class _Listing(NamedTuple):
    items: Sequence[_Item | BadItem]
    total_pages: int | None


async def _endpoint(url: str, context: Context) -> str:
    """Where the comments of a site are listed."""
    answer = await context.http.get(url)
    links = declared_links(
        answer.content.decode("utf-8", "replace"), answer.url, ", ".join(answer.headers.get_list("Link"))
    )
    root = next((link.url for link in links if link.relation == _API_RELATION), None)
    if root is None:
        root = f"{answer.url.partition('?')[0].rstrip('/')}/wp-json"  # some themes do not say
    return f"{root.rstrip('/')}/wp/v2/comments"


async def _list(endpoint: str, params: dict[str, str | int], context: Context) -> _Listing:
    answer = await context.http.get(endpoint, params={**params, "_fields": _FIELDS, "_embed": "up"})
    rows: list[msgspec.Raw] = answer.decode(list[msgspec.Raw])
    pages = answer.headers.get("X-WP-TotalPages", "")
    return _Listing([_item(bytes(row)) for row in rows], int(pages) if pages.isdecimal() else None)


def _item(row: bytes) -> _Item | BadItem:
    try:
        return msgspec.json.decode(row, type=_Item)
    except msgspec.DecodeError as error:
        return BadItem(row, f"no comment of WordPress: {error}"[:200])


def _take(
    cursor: WordPressCursor, items: Iterable[_Item | BadItem], now: float
) -> tuple[list[SourceComment | BadItem], WordPressCursor]:
    """What is new or was edited among these, and the cursor with all of them."""
    taken: list[SourceComment | BadItem] = []
    known = dict(cursor.known)
    newest = cursor.newest
    for item in items:
        if isinstance(item, BadItem):
            taken.append(item)
            continue
        # A date in the future must not keep what comes until then from being read.
        date = min(_date(item) or now, now)
        newest = max(newest, date)
        digest = text_digest(item.content.rendered)
        before = known.get(item.id)
        known[item.id] = Known(digest, int(date))
        if before is None or before.digest != digest:
            taken.append(_comment(item))
    return taken, msgspec.structs.replace(cursor, known=known, newest=newest)


def _comment(item: _Item) -> SourceComment:
    date = _date(item)
    link = item.link or ""
    return SourceComment(
        id=str(item.id),
        text=item.content.rendered,
        thread=_COMMENT_PAGE.sub("", link.partition("#")[0]),
        thread_title=visible_text(_title(item)),
        author=item.author_name or "",
        created_at=None if date is None else datetime.fromtimestamp(date, UTC),
        parent=str(item.parent) if item.parent else None,
        permalink=link,
    )


def _title(item: _Item) -> str:
    try:
        articles = msgspec.json.decode(item.embedded, type=_Embedded).up
    except msgspec.DecodeError:
        return ""  # an article that may not be shown: an error stands in its place
    return articles[0].title.rendered if articles else ""


def _date(item: _Item) -> float | None:
    """Seconds since 1970; None for what is no date, such as the year 0."""
    try:
        moment = datetime.fromisoformat(item.date_gmt)
        return moment.replace(tzinfo=UTC).timestamp() if moment.tzinfo is None else moment.timestamp()
    except (ValueError, OverflowError):
        return None
