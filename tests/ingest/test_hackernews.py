"""Hacker News: every comment once, through faults and restarts; what is edited, deleted, late and dead."""

from collections.abc import Callable

from streams.ingest.hackernews import HackerNews, HackerNewsOptions
from streams.ingest.source import Context
from tests.sites.faults import Faults
from tests.sites.hackernews import HackerNewsSite
from tests.sites.reader import Crashes, FakeTime, compare, read_to_the_end
from tests.sites.talk import make_talk


def _maker(site: HackerNewsSite) -> Callable[[Context], HackerNews]:
    def make(context: Context) -> HackerNews:
        return HackerNews(HackerNewsOptions(firebase_url=site.url, algolia_url=site.url), context)

    return make


async def test_everything_arrives_once_through_faults_and_restarts() -> None:
    talk = make_talk(1_000, seconds=2.5)
    since = talk.remarks[20].at.replace(microsecond=0)
    time = FakeTime(talk.remarks[500].at)
    faults = Faults(20, spread=40)
    site = HackerNewsSite(talk, faults=faults, clock=time.time)
    crashes = Crashes(10, spread=8)
    with site.serving():
        account = await read_to_the_end(_maker(site), site, time, crashes=crashes, since=since)
    assert compare(site, account, since=since) == {}
    assert (faults.left, crashes.left) == (0, 0)
    print(
        len(site.requests),
        account.again,
        len(account.failures),
        account.restarts,
        account.largest_cursor_bytes,
    )
