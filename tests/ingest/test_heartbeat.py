"""What /health of `narrawatch ingest` says of its event loop."""

import asyncio

from streams.ingest.heartbeat import Heartbeat


async def test_it_beats_as_long_as_the_loop_turns() -> None:
    now = 100.0
    heart = Heartbeat(lambda: now)
    assert heart.answer().good
    now += 31.0
    assert heart.answer() == (
        False,
        {"status": "fail", "reasons": ["the event loop stands still for 31 seconds"]},
    )
    beating = asyncio.create_task(heart.run())
    await asyncio.sleep(0)
    assert heart.answer() == (True, {"status": "pass", "reasons": []})
    beating.cancel()
