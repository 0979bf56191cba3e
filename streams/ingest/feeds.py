"""Comments of an RSS or Atom feed: what most sites offer that offer nothing else.

A feed shows its newest entries, ten as a rule, and nothing tells what has fallen out of it. Entries are told
apart by their id, else by their link; the same one with another text was edited. A deletion shows nowhere.
"""

import calendar
import logging
import re
from collections.abc import AsyncIterator, Iterable
from datetime import UTC, datetime
from typing import Any, ClassVar, Final

import feedparser
import msgspec
from pydantic import Field

from streams.errors import FailureReason, SourceError
from streams.ingest.markup import declared_links, text_digest, visible_text
from streams.ingest.source import About, BadItem, Context, Page, Probe, Source, SourceComment
from streams.ingest.source_options import SiteUrl, SourceOptions
from streams.polite.client import Answer, Validators

__all__ = ["Feed", "FeedCursor", "FeedOptions"]

_MOST_KNOWN = 2_000  # entries that a cursor remembers: many feeds' worth
_SAMPLES = 3
_FEED_TYPES: Final = frozenset({"application/rss+xml", "application/atom+xml"})
_COMMENTS: Final = re.compile("comment", re.IGNORECASE)  # French has the same beginning
_END: Final = re.compile(rb"</\s*(?:\w+:)?(?:rss|feed|rdf)\s*>\s*(?:<!--.*?-->\s*)*\Z", re.DOTALL | re.I)
_TITLE: Final = re.compile(r"(?:Comment on|Commentaires? sur|En réponse à|By:|Par\s*:)\s*(.*)", re.DOTALL)
_AUTHOR_IN_TITLE: Final = re.compile(r"\s+(?:by|par)\s*:?\s*$")

_logger = logging.getLogger(__name__)


class FeedOptions(SourceOptions):
    """Which feed."""

    url: SiteUrl = Field(description="the address of the feed itself, http:// or https://")


class FeedCursor(msgspec.Struct, frozen=True, kw_only=True):
    """What the feed showed. since: seconds since 1970; known: digests of visible texts by entry."""

    since: float = 0.0
    validators: Validators = Validators()
    known: dict[str, int] = {}


class Feed(Source[FeedOptions, FeedCursor]):
    """See the module."""

    kind: ClassVar[str] = "feed"
    about: ClassVar[About] = About(
        title="RSS and Atom feeds of comments",
        guarantee="every entry that the feed shows at a poll, at least once; edits as long as it shows them",
        rate="one request each poll_seconds (60), answered with 304 where nothing is new",
        blind_spots="what comes and falls out of the feed between two polls (the log says when that may have"
        " been), deletions, and in RSS which comment is answered",
    )
    options_type: ClassVar[type[SourceOptions]] = FeedOptions
    cursor_type: ClassVar[type[msgspec.Struct]] = FeedCursor

    def begin(self, since: datetime | None) -> FeedCursor:
        """See `Source`. Without a date: all that the feed shows."""
        return FeedCursor(since=0.0 if since is None else since.timestamp())

    async def fetch(self, cursor: FeedCursor) -> AsyncIterator[Page[FeedCursor]]:
        """See `Source`: one page, or none where nothing has changed."""
        answer = await self.context.http.get(self.options.url, validators=cursor.validators)
        if answer.not_modified:
            return
        entries = _entries(answer)
        known = dict(cursor.known)
        taken: list[SourceComment | BadItem] = []
        familiar = 0
        for entry in entries:
            comment = _comment(entry, known)
            if isinstance(comment, BadItem):
                taken.append(comment)
                continue
            digest = text_digest(comment.text)
            before = known.pop(comment.id, None)
            known[comment.id] = digest  # at the end: forgotten last
            familiar += before is not None
            if before != digest and _wanted(comment, cursor.since):
                taken.append(comment)
        if cursor.known and entries and not familiar:
            _logger.warning("%s: all of the feed is new; comments may be missing: look more often", self.name)
        remembered = dict(list(known.items())[-_MOST_KNOWN:])
        yield Page(taken, msgspec.structs.replace(cursor, validators=answer.validators, known=remembered))

    @classmethod
    async def probe(cls, url: str, context: Context) -> Probe | None:
        """See `Source`: a feed itself, or a page that names a feed of comments."""
        try:
            answer = await context.http.get(url)
            found = _probed(answer)
            if found is not None:
                return found
            links = declared_links(answer.content.decode("utf-8", "replace"), answer.url)
            for link in links:
                of_comments = _COMMENTS.search(link.url) or _COMMENTS.search(link.title)
                if link.media_type in _FEED_TYPES and of_comments:
                    return _probed(await context.http.get(link.url))
        except SourceError as error:
            if error.reason is not FailureReason.REFUSED:
                raise
        return None


def _probed(answer: Answer) -> Probe | None:
    try:
        entries = _entries(answer)
    except SourceError:
        return None
    comments = [_comment(entry, {}) for entry in reversed(entries)]
    samples = [one for one in comments if isinstance(one, SourceComment)][:_SAMPLES]
    return Probe(answer.url, "a feed", samples)


def _entries(answer: Answer) -> list[Any]:
    """The entries of a feed, oldest first.  Raises SourceError when it is none."""
    headers = {
        "content-type": answer.headers.get("Content-Type", ""),
        "content-location": answer.url,  # what relative addresses are relative to
    }
    parsed = feedparser.parse(answer.content, response_headers=headers)
    if not parsed.get("version"):  # an empty body has none at all
        raise SourceError(
            FailureReason.MALFORMED, "not a feed: narrawatch sources probe finds the feed of a site"
        )
    if not _END.search(answer.content):
        # What is there of its last entry would be read as another one.
        raise SourceError(FailureReason.MALFORMED, "a feed that ends in its middle")
    # Feeds begin with the newest; of entries without a date the order is all there is.
    entries: list[Any] = parsed.entries[::-1]
    entries.sort(key=lambda entry: _seconds(entry) or 0.0)
    return entries


def _comment(entry: Any, known: Iterable[str]) -> SourceComment | BadItem:
    identity = entry.get("id") or entry.get("link") or ""
    if not identity:
        return BadItem(
            msgspec.json.encode({"title": entry.get("title", ""), "summary": entry.get("summary", "")}),
            "an entry with neither id nor link",
        )
    contents = [content.get("value", "") for content in entry.get("content", ())]
    seconds = _seconds(entry)
    link = entry.get("link", "")
    author = entry.get("author", "")
    answered = entry.get("thr_in-reply-to", {}).get("ref", "")
    # WordPress says of a comment that answers none that it answers the article.
    is_comment = answered in known or "#comment" in answered
    return SourceComment(
        id=identity,
        text=next(filter(None, contents), "") or entry.get("summary", ""),
        thread=link.partition("#")[0],
        thread_title=_thread_title(visible_text(entry.get("title", "")), author),
        author=author,
        created_at=None if seconds is None else datetime.fromtimestamp(seconds, UTC),
        parent=answered if is_comment else None,
        permalink=link,
    )


def _thread_title(title: str, author: str) -> str:
    """What is commented on, where the title of a comment names both that and its author."""
    named = _TITLE.fullmatch(title)
    if named is None:
        return title
    rest = named[1].strip()
    without_author = rest.removesuffix(author).rstrip() if author else rest
    if not without_author or without_author == rest:
        return "" if not without_author else rest
    return _AUTHOR_IN_TITLE.sub("", f"{without_author} ".replace("\xa0", " "))


def _seconds(entry: Any) -> float | None:
    moment = entry.get("published_parsed") or entry.get("updated_parsed")
    try:
        return None if moment is None else float(calendar.timegm(moment))
    except (ValueError, OverflowError):
        return None


def _wanted(comment: SourceComment, since: float) -> bool:
    return comment.created_at is None or comment.created_at.timestamp() >= since
