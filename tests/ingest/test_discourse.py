"""Discourse: every post once, through faults and restarts, in both versions of what `before` means."""

from collections.abc import Callable

import pytest

from streams.ingest.discourse import Discourse, DiscourseOptions
from streams.ingest.source import Context
from tests.sites.discourse import DiscourseSite
from tests.sites.faults import Faults
from tests.sites.reader import Crashes, FakeTime, compare, read_to_the_end
from tests.sites.talk import make_talk


def _maker(site: DiscourseSite) -> Callable[[Context], Discourse]:
    def make(context: Context) -> Discourse:
        return Discourse(DiscourseOptions(url=site.url), context)

    return make


@pytest.mark.parametrize("includes_before", [False, True])
async def test_everything_arrives_once_through_faults_and_restarts(*, includes_before: bool) -> None:
    talk = make_talk(1_000)
    since = talk.remarks[20].at.replace(microsecond=0)
    time = FakeTime(talk.remarks[400].at)
    faults = Faults(20, spread=8)
    site = DiscourseSite(talk, faults=faults, clock=time.time, includes_before=includes_before)
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
