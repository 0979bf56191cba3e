"""Whether the event loop of `narrawatch ingest` still turns: what its /health says."""

import asyncio
import time
from collections.abc import Callable
from typing import Final

from streams.health import Answer

__all__ = ["Heartbeat"]

_BEAT_SECONDS: Final = 1.0
_LATE_SECONDS: Final = 30.0


class Heartbeat:
    """Beats as long as the loop does. clock: monotonic seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._beat = clock()

    async def run(self) -> None:
        """Beat until cancelled."""
        while True:
            self._beat = self._clock()
            await asyncio.sleep(_BEAT_SECONDS)

    def answer(self) -> Answer:
        """For any thread. Sites and brokers that are away are waited for, and say nothing of this process."""
        silent = self._clock() - self._beat
        good = silent < _LATE_SECONDS
        reasons = [] if good else [f"the event loop stands still for {silent:.0f} seconds"]
        return Answer(good, {"status": "pass" if good else "fail", "reasons": reasons})
