"""Which connector fits a site: each names its own and no other."""

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta

import pytest

from streams.errors import SourceError
from streams.ingest.registry import load_kind
from streams.ingest.source import Context, Probe
from streams.polite.client import PoliteOptions, Web
from tests.sites.discourse import DiscourseSite
from tests.sites.jetstream import JetstreamSite
from tests.sites.lemmy import LemmySite
from tests.sites.mastodon import MastodonSite
from tests.sites.site import Site
from tests.sites.talk import make_talk

OURS = ("discourse", "hackernews", "jetstream", "lemmy", "mastodon")


@pytest.fixture(scope="module")
def sites() -> Iterator[dict[str, Site]]:
    served: dict[str, Site] = {
        "discourse": DiscourseSite(make_talk(40)),
        "lemmy": LemmySite(make_talk(40)),
        "lemmy_v4": LemmySite(make_talk(40), has_v4=True),
        "mastodon": MastodonSite(make_talk(40)),
        "jetstream": JetstreamSite(make_talk(40, start=datetime.now(UTC) - timedelta(minutes=3))),
    }
    with ExitStack() as stack:
        for site in served.values():
            stack.enter_context(site.serving())
            site.go_on()
        yield served


async def probe(kind: str, url: str) -> Probe | None:
    async with Web(PoliteOptions(interval_seconds=0, timeout_seconds=5, allow_private=True)) as web:
        context = Context(web.client(), lambda: datetime.now(UTC), allow_private=True)
        return await load_kind(kind).probe(url, context)


@pytest.mark.parametrize("name", ["discourse", "lemmy", "lemmy_v4", "mastodon", "jetstream"])
async def test_each_site_is_told_by_its_own_connector_alone(name: str, sites: dict[str, Site]) -> None:
    found = {kind: await probe(kind, sites[name].url + "/") for kind in OURS}
    fitting = {kind: one for kind, one in found.items() if one is not None}
    assert list(fitting) == [name.partition("_")[0]]
    assert next(iter(fitting.values())).url == sites[name].url


@pytest.mark.parametrize("name", ["discourse", "lemmy", "lemmy_v4", "jetstream"])
async def test_three_comments_are_shown(name: str, sites: dict[str, Site]) -> None:
    found = await probe(name.partition("_")[0], sites[name].url)
    assert found is not None
    assert len(found.samples) == 3
    assert all(one.text and one.permalink and one.created_at for one in found.samples)


async def test_posts_are_shown_of_the_address_of_a_hashtag(sites: dict[str, Site]) -> None:
    found = await probe("mastodon", f"{sites['mastodon'].url}/tags/technology")
    assert found is not None
    assert found.url == sites["mastodon"].url
    assert len(found.samples) == 3


@pytest.mark.parametrize("host", ["news.ycombinator.com", "hacker-news.firebaseio.com", "hn.algolia.com"])
async def test_hacker_news_is_told_by_its_address(host: str) -> None:
    found = await probe("hackernews", f"https://{host}/")
    assert found is not None
    assert found.url == "https://news.ycombinator.com"


async def test_a_site_that_is_not_there_is_no_answer(sites: dict[str, Site]) -> None:
    for kind in ("discourse", "lemmy", "mastodon", "jetstream"):
        with pytest.raises(SourceError):
            await probe(kind, "http://127.0.0.1:9/")
