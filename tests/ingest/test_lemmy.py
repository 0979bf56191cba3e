"""Lemmy: every comment once, through faults and restarts, in both versions of the interface."""

from collections.abc import Callable

import pytest

from streams.ingest.lemmy import Lemmy, LemmyOptions
from streams.ingest.source import Context
from tests.sites.faults import Faults
from tests.sites.lemmy import LemmySite
from tests.sites.reader import Crashes, FakeTime, compare, read_to_the_end
from tests.sites.talk import make_talk


def _maker(site: LemmySite) -> Callable[[Context], Lemmy]:
    def make(context: Context) -> Lemmy:
        return Lemmy(LemmyOptions(url=site.url), context)

    return make


@pytest.mark.parametrize("has_v4", [False, True])
async def test_everything_arrives_once_through_faults_and_restarts(*, has_v4: bool) -> None:
    talk = make_talk(1_000)
    since = talk.remarks[20].at.replace(microsecond=0)
    time = FakeTime(talk.remarks[400].at)
    faults = Faults(20, spread=8)
    site = LemmySite(talk, faults=faults, clock=time.time, has_v4=has_v4)
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
