"""What the engine says: assignments, mentions, events, and the public view of a narrative.

These are the records of the topics `mentions`, `events` and `narratives` and of the files that `replay`
writes. Times are UTC datetimes; every event carries its evidence.
"""

from datetime import UTC, datetime
from enum import StrEnum
from typing import NamedTuple

import msgspec

__all__ = [
    "Assignment",
    "Event",
    "EventType",
    "Kind",
    "Made",
    "Mention",
    "NarrativeView",
    "Outcome",
    "Quote",
    "Stance",
    "State",
    "WatchMatch",
    "instant",
]


def instant(epoch_ms: int) -> datetime:
    """Epoch milliseconds as a UTC datetime."""
    return datetime.fromtimestamp(epoch_ms / 1000, tz=UTC)


class EventType(StrEnum):
    """The life-cycle events of a narrative."""

    EMERGED = "emerged"
    FADED = "faded"
    REVIVED = "revived"
    MERGED = "merged"
    SPIKING = "spiking"


class State(StrEnum):
    """Where a narrative is in its life; one that is merged lives on as an alias of another."""

    EMERGED = "emerged"
    FADED = "faded"


class Stance(StrEnum):
    """What a mention makes of the claim: puts it forward, or denies it."""

    SUPPORTS = "supports"
    REBUTS = "rebuts"


class Kind(StrEnum):
    """Organic: several people in their own words. Campaign: mostly copies of one text."""

    ORGANIC = "organic"
    CAMPAIGN = "campaign"


class Quote(msgspec.Struct, frozen=True, kw_only=True):
    """A claim as one person wrote it."""

    text: str
    author: str
    source: str
    thread: str
    language: str
    comment_id: str
    at: datetime
    permalink: str = ""


class Assignment(msgspec.Struct, frozen=True, kw_only=True):
    """Where a claim is now. A later one for the same claim replaces it: claims that were held back join
    narratives retroactively. A narrative that merged lives on under another id (see the MERGED event).
    """

    source: str
    comment_id: str
    n: int
    narrative_id: str | None  # None: held back, or a claim of nothing
    similarity: float  # mean similarity to the narrative's claims; 0.0 without narrative
    stance: Stance | None = None  # None: without narrative, or not judged


class Mention(msgspec.Struct, frozen=True, kw_only=True):
    """A comment that makes a narrative: one a comment and narrative, however many of its claims do.

    The last that is said of a comment and a narrative holds, where a narrative that merged counts as the one
    it lives on in. A review may find that a claim belongs elsewhere, a comment may be edited or deleted: then
    the mention is withdrawn, and bears no text.
    """

    narrative_id: str
    source: str
    comment_id: str
    n: int  # the claim that made the mention
    text: str
    author: str
    thread: str
    language: str
    at: datetime
    similarity: float
    retroactive: bool  # seen before the narrative emerged
    stance: Stance | None = None  # None: not judged, as for texts that are no sentences
    permalink: str = ""
    withdrawn: bool = False


class NarrativeView(msgspec.Struct, frozen=True, kw_only=True):
    """All that is public about a narrative; the record of the compacted topic `narratives`."""

    narrative_id: str
    label: str
    keywords: list[str]
    representative: str
    kind: Kind
    state: State
    mentions: int
    supporting: int | None  # mentions; None: none was judged
    rebutting: int | None
    copies: int  # mentions that are near-copies of one text
    authors: int
    threads: dict[str, int]
    languages: dict[str, int]
    sources: dict[str, int]
    first_seen: datetime
    last_seen: datetime
    emerged_at: datetime
    aliases: list[str]
    quotes: list[Quote]
    plain_label: str | None = None  # the label that a refined one (`label`) stands in for


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """Something happened to a narrative. `at` is the date of the comment that made it so."""

    type: EventType
    narrative_id: str
    at: datetime
    mentions: int
    narrative: NarrativeView  # the evidence, as it stood
    trigger: dict[str, float]  # the figures that made it happen, beside what was required
    into: str | None = None  # merged: the narrative that lives on
    out_of: str | None = None  # emerged: the narrative that most of its claims were taken for before


class WatchMatch(msgspec.Struct, frozen=True, kw_only=True):
    """A claim near one of a watch's phrases.

    A later one of the same watch, source, comment and n replaces it. A withdrawn one stands for all claims of
    its comment (n is -1, and it has no text): the comment was deleted or edited.
    """

    watch: str
    source: str
    comment_id: str
    n: int
    text: str
    similarity: float
    narrative_id: str | None  # None: it belongs to none, or to none yet
    at: datetime
    author: str = ""  # keyed hash
    thread: str = ""
    language: str = ""
    permalink: str = ""
    retroactive: bool = False  # it was told before: what is new is its narrative
    withdrawn: bool = False


class Made(NamedTuple):
    """What a mention is counted under when it is made for the first time."""

    language: str
    source: str
    stance: Stance | None  # None: not judged


class Outcome(msgspec.Struct, kw_only=True):
    """All that one call of the engine decided, in stream order."""

    assignments: list[Assignment] = []
    mentions: list[Mention] = []
    events: list[Event] = []
    changed: dict[str, NarrativeView] = {}  # by id: narratives whose public view is new
    retired: list[str] = []  # ids that left hot state: merged into another, or forgotten
    matches: list[WatchMatch] = []  # each when it was found, once
    match_news: list[WatchMatch] = []  # these too, and what became of them later
    made: list[Made] = []  # of `mentions` those that are new, and not said again
    duplicates: int = 0
    edited: int = 0  # comments that replaced what they said before
    deleted: int = 0
