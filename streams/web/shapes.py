"""What the page and its JSON API say, field by field; templates and OpenAPI are made of the same types.

Times are UTC. Counts of a narrative are the worker's; those of mentions by time are of what is kept here.
"""

from datetime import datetime
from typing import Any

from pydantic import BaseModel

__all__ = [
    "Bin",
    "Choices",
    "Detail",
    "Event",
    "Mention",
    "MentionPage",
    "NarrativePage",
    "Neighbour",
    "Overview",
    "Quote",
    "Summary",
    "Timeline",
    "Watch",
    "WatchMatch",
    "WatchPage",
]


class Quote(BaseModel):
    """A claim as one person wrote it. permalink: http or https, or empty."""

    text: str
    author: str  # a keyed hash
    source: str
    thread: str
    language: str
    comment_id: str
    at: datetime
    permalink: str = ""


class Mention(Quote):
    """A comment that makes a narrative. stance: supports, rebuts, or null when it was not judged."""

    narrative_id: str
    desk: str
    similarity: float
    retroactive: bool
    stance: str | None = None


class Summary(BaseModel):
    """A narrative in a list."""

    narrative_id: str
    desk: str
    label: str
    plain_label: str | None = None
    keywords: list[str]
    representative: str
    state: str
    kind: str
    is_new: bool  # it emerged within the last day of the stream
    is_spiking: bool  # a spike was told within the last six hours of the stream
    mentions: int
    supporting: int | None
    rebutting: int | None
    copies: int
    authors: int
    threads: dict[str, int]
    languages: dict[str, int]
    sources: dict[str, int]
    first_seen: datetime
    emerged_at: datetime
    last_seen: datetime
    last_day: int  # mentions in the last 24 hours of the stream
    day_before: int
    week: list[int]  # mentions in the last seven days, by six hours, oldest first


class Overview(BaseModel):
    """What the stream is like now. as_of: the newest date in it; null while nothing was read."""

    as_of: datetime | None
    narratives: int
    alive: int  # not faded
    emerged_last_day: int
    spiking: int
    mentions_last_day: int
    mentions_day_before: int


class NarrativePage(BaseModel):
    """One page of narratives, from 1. total: of all pages."""

    as_of: datetime | None
    total: int
    page: int
    pages: int
    narratives: list[Summary]


class Choices(BaseModel):
    """What there is to filter by, most frequent first."""

    desks: list[str]
    languages: list[str]
    sources: list[str]


class Event(BaseModel):
    """Something that happened to a narrative, with its evidence as it stood."""

    type: str
    narrative_id: str  # as it was called then
    lives_on_as: str
    desk: str
    at: datetime
    mentions: int
    label: str
    kind: str
    authors: int
    threads: dict[str, int]
    languages: dict[str, int]
    trigger: dict[str, Any]
    into: str | None = None
    out_of: str | None = None
    quotes: list[Quote] = []


class Bin(BaseModel):
    """Mentions of a stretch of time by stance."""

    at: datetime
    supports: int = 0
    rebuts: int = 0
    unjudged: int = 0

    @property
    def mentions(self) -> int:
        """All of them."""
        return self.supports + self.rebuts + self.unjudged


class Timeline(BaseModel):
    """Mentions over time, without gaps. bin_seconds: the width of a bin."""

    narrative_id: str
    bin_seconds: int
    bins: list[Bin]


class Neighbour(BaseModel):
    """Another narrative with what the two have in common."""

    narrative_id: str
    label: str
    mentions: int
    state: str
    threads: int
    authors: int
    keywords: list[str]


class Voice(BaseModel):
    """An author or thread with its mentions of one narrative."""

    name: str
    source: str
    mentions: int


class Detail(Summary):
    """One narrative. kept_mentions: how many of its mentions are kept here."""

    aliases: list[str]
    quotes: list[Quote]
    kept_mentions: int
    top_authors: list[Voice]
    top_threads: list[Voice]
    events: list[Event]
    neighbours: list[Neighbour]


class MentionPage(BaseModel):
    """One page of mentions, newest first."""

    narrative_id: str
    total: int
    page: int
    pages: int
    mentions: list[Mention]


class Watch(BaseModel):
    """A watch of the settings or of what was found, with its matches."""

    name: str
    desk: str | None
    phrases: list[str]
    matches: int
    last_day: int
    week: list[int]  # matches in the last seven days, by six hours, oldest first


class WatchMatch(BaseModel):
    """A claim that says what a watch looks for. label: of its narrative, if it has one."""

    source: str
    comment_id: str
    claim: int
    desk: str
    text: str
    similarity: float
    at: datetime
    narrative_id: str | None
    label: str | None
    permalink: str = ""


class WatchPage(BaseModel):
    """One page of a watch's matches, newest first."""

    watch: Watch
    total: int
    page: int
    pages: int
    matches: list[WatchMatch]
