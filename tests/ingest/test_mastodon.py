"""Mastodon: every post with a tag once, through faults, restarts and the limit of requests."""

from collections.abc import Callable

from streams.ingest.mastodon import Mastodon, MastodonOptions
from streams.ingest.source import Context
from tests.sites.faults import Faults
from tests.sites.mastodon import TAGS, MastodonSite
from tests.sites.reader import Crashes, FakeTime, compare, read_to_the_end
from tests.sites.site import Limit
from tests.sites.talk import make_talk


def _maker(site: MastodonSite) -> Callable[[Context], Mastodon]:
    def make(context: Context) -> Mastodon:
        return Mastodon(MastodonOptions(url=site.url, tags=TAGS), context)

    return make


async def test_everything_arrives_once_through_faults_and_restarts() -> None:
    talk = make_talk(1_000)
    since = talk.remarks[20].at.replace(microsecond=0)
    time = FakeTime(talk.remarks[400].at)
    faults = Faults(20, spread=8)
    site = MastodonSite(talk, faults=faults, clock=time.time, limits=(Limit(300, 300),))
    crashes = Crashes(10, spread=8)
    with site.serving():
        account = await read_to_the_end(_maker(site), site, time, crashes=crashes, since=since)
    print(
        len(site.requests),
        account.again,
        len(account.failures),
        account.restarts,
        account.largest_cursor_bytes,
    )
    assert compare(site, account, since=since) == {}
    assert (faults.left, crashes.left) == (0, 0)
