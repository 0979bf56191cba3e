"""Each source beside the local site that it reads, for tests that are about all of them."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, NamedTuple

from streams.ingest.discourse import Discourse, DiscourseOptions
from streams.ingest.hackernews import HackerNews, HackerNewsOptions
from streams.ingest.jetstream import Jetstream, JetstreamOptions, Timing
from streams.ingest.lemmy import Lemmy, LemmyOptions
from streams.ingest.mastodon import Mastodon, MastodonOptions
from streams.ingest.source import Context, Source
from tests.sites.discourse import DiscourseSite
from tests.sites.faults import STREAM_FAULTS, Fault, Faults
from tests.sites.hackernews import HackerNewsSite
from tests.sites.jetstream import JetstreamSite
from tests.sites.lemmy import LemmySite
from tests.sites.mastodon import TAGS, MastodonSite
from tests.sites.reader import FakeTime
from tests.sites.site import Site
from tests.sites.talk import Talk, make_talk

__all__ = ["KINDS", "Place", "make_place"]

KINDS = ("hackernews", "discourse", "discourse_old", "lemmy", "lemmy_v4", "mastodon", "jetstream")
QUICK = Timing(page=0.05, quiet_page=0.15, silence=5.0)
_REFUSALS = (Fault.ERROR, Fault.UNAVAILABLE, Fault.TOO_MANY, Fault.WRONG_TYPE)


class Place(NamedTuple):
    """A site that is to be served, and how a source for it is made. since: from when on it is read."""

    site: Site
    make: Callable[[Context], Source[Any, Any]]
    time: FakeTime
    since: datetime
    faults: tuple[Faults, ...]
    endless: bool = False

    def clock(self) -> datetime:
        """What the source is given as the time: a stream is not waited for by a clock that stands still."""
        return datetime.now(UTC) if self.endless else self.time.moment()


def make_place(kind: str, *, comments: int = 1_000, faults: int = 20, seed: int = 1) -> Place:
    """A site where half of the talk, or somewhat more, has been held when somebody begins to read it."""
    # Of Hacker News every comment is a request or two, unless its archive has it: after a quarter of an hour.
    is_slow = kind == "hackernews"
    talk = make_talk(comments, seed=seed, seconds=1.4 if is_slow else 4.0)
    time = FakeTime(talk.remarks[comments * 7 // 10 if is_slow else comments // 2].at)
    if kind == "jetstream":
        return _stream(talk, time, faults, seed)
    broken = Faults(faults, spread=40 if is_slow else 8, seed=seed)
    options: dict[str, Any] = {"faults": broken, "clock": time.time, "seed": seed}
    site, make = _MAKERS[kind](talk, options)
    return Place(site, make, time, talk.remarks[20].at.replace(microsecond=0), (broken,))


def _stream(talk: Talk, time: FakeTime, faults: int, seed: int) -> Place:
    """A third of what fails are the connections, the rest happens while they are open."""
    refused = Faults(faults // 3, spread=2, kinds=_REFUSALS, seed=seed)
    broken = Faults(faults - faults // 3, spread=80, kinds=STREAM_FAULTS, seed=seed)
    site = JetstreamSite(talk, faults=refused, stream_faults=broken, clock=time.time, pace=10, seed=seed)

    def make(context: Context) -> Jetstream:
        options = JetstreamOptions(url=site.url, keywords=("remark",), replies=False, langs=("en", "fr"))
        return Jetstream(options, context, timing=QUICK)

    return Place(site, make, time, talk.remarks[0].at, (refused, broken), endless=True)


def _hackernews(talk: Talk, options: dict[str, Any]) -> tuple[Site, Callable[[Context], Source[Any, Any]]]:
    site = HackerNewsSite(talk, **options)
    return site, lambda context: HackerNews(
        HackerNewsOptions(firebase_url=site.url, algolia_url=site.url), context
    )


def _discourse(talk: Talk, options: dict[str, Any]) -> tuple[Site, Callable[[Context], Source[Any, Any]]]:
    site = DiscourseSite(talk, **options)
    return site, lambda context: Discourse(DiscourseOptions(url=site.url), context)


def _lemmy(talk: Talk, options: dict[str, Any]) -> tuple[Site, Callable[[Context], Source[Any, Any]]]:
    site = LemmySite(talk, **options)
    return site, lambda context: Lemmy(LemmyOptions(url=site.url), context)


def _mastodon(talk: Talk, options: dict[str, Any]) -> tuple[Site, Callable[[Context], Source[Any, Any]]]:
    site = MastodonSite(talk, **options)
    return site, lambda context: Mastodon(MastodonOptions(url=site.url, tags=TAGS), context)


_MAKERS = {
    "hackernews": _hackernews,
    "discourse": _discourse,
    "discourse_old": lambda talk, options: _discourse(talk, {**options, "includes_before": True}),
    "lemmy": _lemmy,
    "lemmy_v4": lambda talk, options: _lemmy(talk, {**options, "has_v4": True}),
    "mastodon": _mastodon,
}
