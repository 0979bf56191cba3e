"""Every comment once: 1,000 of each source, through 20 faults and 10 deaths of the reader, from its own site.

What is edited, deleted, late, dead or hidden is what a reader at the site would see in the end.
"""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from tests.ingest.places import KINDS, make_place
from tests.sites.reader import Crashes, FakeTime, compare, read_to_the_end


class RealTime(FakeTime):
    """Goes on by itself, as a stream needs it; nobody waits long."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        super().__init__(datetime.fromtimestamp(now(), UTC))

    def moment(self) -> datetime:
        return datetime.now(UTC)

    async def sleep(self, seconds: float) -> None:
        await super().sleep(seconds)
        await asyncio.sleep(0.01)


@pytest.mark.parametrize("kind", KINDS)
async def test_everything_arrives_once_through_faults_and_restarts(kind: str) -> None:
    place = make_place(kind)
    time = RealTime(place.time.time) if place.endless else place.time
    crashes = Crashes(10, spread=2 if place.endless else 8)
    with place.site.serving():
        account = await read_to_the_end(
            place.make, place.site, time, crashes=crashes, since=place.since, endless=place.endless
        )
    assert compare(place.site, account, since=place.since) == {}
    assert [faults.left for faults in place.faults] == [0] * len(place.faults)
    assert crashes.left == 0
    assert account.restarts == 10
    assert account.largest_cursor_bytes < 100_000
