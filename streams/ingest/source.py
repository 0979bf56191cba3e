"""The contract of live sources: what a connector is, and what is done with what it yields.

A source reads one place where people comment and nothing else: it has no broker, no metrics, no clock of its
own. `fetch` yields pages, and each page bears the cursor that reading goes on from once that page is safe.
Whoever runs a source (`streams.ingest.following`) brings the comments of a page to the broker, waits until
they are acknowledged, saves the cursor, and only then takes the next page. So nothing is lost; what was
under way when a process died is yielded again, and counts once, because `source` and `id` are the same.

Callers may not assume that ids are new, that dates ascend, or that a text is clean. A connector may assume
that `fetch` of one object is never called while another one is running.
docs/sources.md shows how to write one; tests/contracts/test_sources.py is run on each.
"""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from datetime import datetime
from typing import ClassVar, Generic, NamedTuple, TypeVar

import msgspec

from streams.ingest.source_options import SourceOptions
from streams.polite.client import PoliteClient

__all__ = [
    "About",
    "BadItem",
    "Context",
    "Page",
    "Probe",
    "Source",
    "SourceComment",
]

OptionsT = TypeVar("OptionsT", bound=SourceOptions)
CursorT = TypeVar("CursorT", bound=msgspec.Struct)


class SourceComment(msgspec.Struct, frozen=True, kw_only=True):
    """A comment as a source has it now; yielded again with another text, it was edited.

    What the fields may hold is judged later (`streams.comments`): a connector passes on what it is given.
    """

    id: str  # the same for ever, and different from any other of this source
    text: str = ""  # markup and all; without one that could be seen the comment counts as deleted
    thread: str = ""  # the address of the article or discussion where the source knows it; else its id
    thread_title: str = ""  # as text: no markup, no entities
    author: str = ""  # who wrote it, as little as tells people apart; a keyed hash of it leaves the process
    created_at: datetime | None = None  # with its time zone
    parent: str | None = None  # the id of the comment that it answers
    lang: str = ""
    permalink: str = ""
    deleted: bool = False  # the source has it no more: then `id` is enough


class BadItem(NamedTuple):
    """What a source sent as a comment and nobody can read as one: it becomes a dead letter."""

    original: bytes  # as it came, or the JSON of it
    detail: str  # one short line that does not quote it


class Page(NamedTuple, Generic[CursorT]):
    """Some comments in the order in which they are to arrive, perhaps none.

    cursor: where to go on once these are safe. Small: it is written as one record (below 500 kB of JSON).
    """

    comments: Sequence[SourceComment | BadItem]
    cursor: CursorT


class About(NamedTuple):
    """What a connector promises, shown by `narrawatch sources list`. Each is a phrase or two for people."""

    title: str  # "WordPress comments (REST API)"
    guarantee: str  # what arrives, how soon, and how edits and deletions are noticed
    rate: str  # how often it asks, and the limit of the other side
    blind_spots: str  # what it cannot see
    needs: str = ""  # further packages or permissions: how to get them


class Probe(NamedTuple):
    """A site is of a connector's kind. url: what to give as `url`; samples: up to three comments.

    options: what has to be set besides, as the command line takes it: "tags=TAG,TAG".
    """

    url: str
    title: str
    samples: Sequence[SourceComment]
    options: Sequence[str] = ()


class Context(NamedTuple):
    """What a source may use: the polite client, and the time."""

    http: PoliteClient
    clock: Callable[[], datetime]  # UTC
    allow_private: bool = False  # whether the settings let it connect to this host and its network


class Source(ABC, Generic[OptionsT, CursorT]):
    """One place to read. A subclass fills the four class variables and three methods.

    cursor_type: a msgspec Struct of which an older version must still be readable: give new fields defaults.
    """

    kind: ClassVar[str]  # lower case; what the configuration and the command line call it
    about: ClassVar[About]
    options_type: ClassVar[type[SourceOptions]]
    cursor_type: ClassVar[type[msgspec.Struct]]

    def __init__(self, options: OptionsT, context: Context) -> None:
        """Opens nothing yet.  Raises SettingsError for options that are wrong together."""
        self.options = options
        self.context = context

    @property
    def name(self) -> str:
        """The `source` of its comments, within which ids are unique: the option `name`, or the host."""
        return self.options.source_name(self.kind)

    @abstractmethod
    def begin(self, since: datetime | None) -> CursorT:
        """The cursor to start with when none was saved.

        since: from when on comments are wanted; None: from now on, or whatever the source shows first.
        """

    @abstractmethod
    def fetch(self, cursor: CursorT) -> AsyncIterator[Page[CursorT]]:
        """The pages after a cursor, until there is no more for now; then it is asked again after a while.

        A source that is told of comments as they are written need never end. May be cancelled at any await,
        and is closed after a failure; then a new call goes on from the cursor that was saved last. What a
        connector keeps between two calls may only save work.
        Raises SourceError for what may pass and for what may not; anything else is a fault of the connector.
        """

    @classmethod
    @abstractmethod
    async def probe(cls, url: str, context: Context) -> Probe | None:
        """Whether a site is of this kind, by asking it as little as possible; None if not.

        Raises SourceError when the site cannot be asked at all.
        """

    def recall(self, cursor: CursorT, ids: Collection[str]) -> CursorT:  # noqa: ARG002 - for subclasses
        """The cursor, with comments that may have been delivered after it was saved, in a process that died.

        A source that finds deletions by what it remembers must know of them: what is deleted before it is
        read again would stay for ever. One that overrides this has its cursor saved after every page.
        """
        return cursor

    async def close(self) -> None:
        """Close what `fetch` has left open. Called once, when the source is not read any more."""
        return
