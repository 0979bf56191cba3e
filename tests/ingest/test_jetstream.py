"""Bluesky: every wanted post once, through a stream that breaks, restarts, and what nobody asked for."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from streams.ingest.jetstream import Jetstream, JetstreamOptions, Timing
from streams.ingest.source import Context
from tests.sites.faults import STREAM_FAULTS, Fault, Faults
from tests.sites.jetstream import JetstreamSite
from tests.sites.reader import Crashes, FakeTime, compare, read_to_the_end
from tests.sites.talk import make_talk

_QUICK = Timing(page=0.05, quiet_page=0.15, silence=5.0)


class RealTime(FakeTime):
    """Goes on by itself, as a stream needs it; nobody waits long."""

    def moment(self) -> datetime:
        return datetime.now(UTC)

    async def sleep(self, seconds: float) -> None:
        await super().sleep(seconds)
        await asyncio.sleep(0.01)


def _maker(site: JetstreamSite, **options: Any) -> Callable[[Context], Jetstream]:
    def make(context: Context) -> Jetstream:
        return Jetstream(JetstreamOptions(url=site.url, **options), context, timing=_QUICK)

    return make


async def test_everything_arrives_once_through_faults_and_restarts() -> None:
    talk = make_talk(1_000)
    since = talk.remarks[0].at
    time = RealTime(talk.remarks[0].at)
    refusals = (Fault.ERROR, Fault.UNAVAILABLE, Fault.TOO_MANY, Fault.WRONG_TYPE)
    faults = Faults(6, spread=2, kinds=refusals)
    breaks = Faults(14, spread=80, kinds=STREAM_FAULTS)
    site = JetstreamSite(talk, faults=faults, stream_faults=breaks, clock=time.time, pace=10)
    crashes = Crashes(10, spread=2)
    make = _maker(site, keywords="remark", replies=False, langs="en,fr")
    with site.serving():
        account = await read_to_the_end(make, site, time, crashes=crashes, since=since, endless=True)
    print(site.cursors, account.again, len(account.failures), account.restarts, account.largest_cursor_bytes)
    assert compare(site, account) == {}
    assert (faults.left, breaks.left, crashes.left) == (0, 0, 0)
