"""A local site for each kind of source, on which the contract is tried. A new connector adds its own."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, NamedTuple

from streams.ingest.jetstream import Jetstream, JetstreamOptions, Timing
from streams.ingest.registry import AnySource, load_kind
from streams.ingest.source import Context
from tests.sites.discourse import DiscourseSite
from tests.sites.feeds import FeedSite
from tests.sites.hackernews import HackerNewsSite
from tests.sites.jetstream import JetstreamSite
from tests.sites.lemmy import LemmySite
from tests.sites.mastodon import TAGS, MastodonSite
from tests.sites.talk import make_talk
from tests.wordpress.site import WordPressSite

__all__ = ["COMMENTS", "STAGES", "Stage"]

COMMENTS = 60


class Stage(NamedTuple):
    """Where a source can be read. front: what a person would type for this site."""

    kind: str
    options: Mapping[str, Any]
    front: str

    def make(self, context: Context) -> AnySource:
        if self.kind == Jetstream.kind:
            wanted = JetstreamOptions.model_validate(dict(self.options))
            return Jetstream(wanted, context, timing=Timing(page=0.05, quiet_page=0.1, silence=5.0))
        connector = load_kind(self.kind)
        return connector(connector.options_type.model_validate(dict(self.options)), context)


def _talk() -> Any:
    return make_talk(COMMENTS)


@contextmanager
def _hackernews(_: WordPressSite | None) -> Iterator[Stage]:
    site = HackerNewsSite(_talk(), clock=_later)
    with site.serving() as url:
        yield Stage("hackernews", {"firebase_url": url, "algolia_url": url, "since": "2026-03-02"}, url)


@contextmanager
def _discourse(_: WordPressSite | None) -> Iterator[Stage]:
    with DiscourseSite(_talk(), clock=_later).serving() as url:
        yield Stage("discourse", {"url": url}, url)


@contextmanager
def _lemmy(_: WordPressSite | None) -> Iterator[Stage]:
    with LemmySite(_talk(), clock=_later).serving() as url:
        yield Stage("lemmy", {"url": url}, url)


@contextmanager
def _mastodon(_: WordPressSite | None) -> Iterator[Stage]:
    with MastodonSite(_talk(), clock=_later).serving() as url:
        yield Stage("mastodon", {"url": url, "tags": TAGS}, f"{url}/tags/{TAGS[0]}")


@contextmanager
def _jetstream(_: WordPressSite | None) -> Iterator[Stage]:
    # A stream is tried from a minute ago on.
    talk = make_talk(COMMENTS, start=datetime.now(UTC), seconds=1.0)
    with JetstreamSite(talk, clock=_later, pace=10).serving() as url:
        yield Stage("jetstream", {"url": url, "everything": True}, url)


@contextmanager
def _feed(_: WordPressSite | None) -> Iterator[Stage]:
    site = FeedSite(_talk(), clock=_later, size=COMMENTS)
    with site.serving() as url:
        yield Stage("feed", {"url": site.feed_url}, url)


@contextmanager
def _wordpress(site: WordPressSite | None) -> Iterator[Stage]:
    assert site is not None
    article = site.article("Un article pour le contrat")
    for number in range(COMMENTS):
        site.comment(article, f"Avis {number} du contrat.", f"Personne-{number}", at=time.time() - 600)
    yield Stage("wordpress", {"url": site.url}, f"{site.url}/un-article-pour-le-contrat/")


def _later() -> float:
    """After all of the talk."""
    return time.time()


# What `narrawatch sources list` names, to what stands for it here.
STAGES: Mapping[str, Callable[[WordPressSite | None], Any]] = {
    "discourse": _discourse,
    "feed": _feed,
    "hackernews": _hackernews,
    "jetstream": _jetstream,
    "lemmy": _lemmy,
    "mastodon": _mastodon,
    "wordpress": _wordpress,
}
