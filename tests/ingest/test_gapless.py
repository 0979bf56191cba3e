"""Every comment once, through faults of the site and deaths of the reader, by the contract of sources alone.

What is edited, deleted, late, dead or hidden is what a reader at the site would see in the end.
`test_through_the_broker` goes the whole way.
"""

import asyncio
from datetime import UTC, datetime

import pytest

from tests.ingest.places import KINDS, make_place
from tests.sites.reader import Crashes, FakeTime, compare, read_to_the_end


class RealTime(FakeTime):
    """Goes on by itself, as a stream needs it; nobody waits long."""

    def moment(self) -> datetime:
        return datetime.now(UTC)

    async def sleep(self, seconds: float) -> None:
        await super().sleep(seconds)
        await asyncio.sleep(0.01)


@pytest.mark.parametrize("kind", KINDS)
async def test_everything_arrives_once_through_faults_and_restarts(kind: str) -> None:
    # Of these the other test has no thousand.
    comments = 1_000 if kind in ("discourse_old", "lemmy_v4") else 300
    place = make_place(kind, comments=comments, faults=comments // 50)
    time = RealTime(place.time.moment()) if place.endless else place.time
    crashes = Crashes(comments // 100, spread=2 if place.endless else 6)
    with place.site.serving():
        account = await read_to_the_end(
            place.make, place.site, time, crashes=crashes, since=place.since, endless=place.endless
        )
    assert compare(place.site, account, since=place.since) == {}
    assert [faults.left for faults in place.faults] == [0] * len(place.faults)
    assert (crashes.left, account.restarts) == (0, comments // 100)
    assert account.largest_cursor_bytes < 100_000
