"""One request at a time to a host, a while apart, and none while it asks to be left alone."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from enum import StrEnum
from typing import NamedTuple

__all__ = ["Gate", "Gates", "Pace", "WaitCause"]

_MOST_GATES = 1_000  # redirects may lead to any number of hosts


class WaitCause(StrEnum):
    """What a request waited for. A label of a metric."""

    TURN = "turn"  # its turn: another request to the same host, and the interval
    RETRY_AFTER = "retry_after"  # the host asked for it
    BACK_OFF = "back_off"  # after a failure


class Pace(NamedTuple):
    """A clock that only runs forward, seconds, and how to wait; others in tests."""

    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep


class Gate:
    """The way to one host. Times are seconds of the pace."""

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self._lock = asyncio.Lock()
        self._free_at = 0.0
        self._closed_until = 0.0
        self.crawl_delay_seconds = 0.0  # what its robots.txt asks for

    @property
    def busy(self) -> bool:
        """Whether somebody is passing or waiting, or it is closed: then it must be kept."""
        return self._lock.locked() or self._closed_until > self._pace.now()

    def close_for(self, seconds: float) -> None:
        """Let nobody pass for so long."""
        self._closed_until = max(self._closed_until, self._pace.now() + seconds)

    @asynccontextmanager
    async def turn(
        self, interval_seconds: float, waited: Callable[[WaitCause, float], None]
    ) -> AsyncIterator[None]:
        """Pass the gate; the block is the request. interval_seconds: from its end until the next one's start.

        waited: is told for what the caller waited, and how long.
        """
        began = self._pace.now()
        async with self._lock:
            await self._sleep_until(self._free_at)
            waited(WaitCause.TURN, self._pace.now() - began)
            closed = self._pace.now()
            await self._sleep_until(self._closed_until)
            if self._pace.now() > closed:
                waited(WaitCause.RETRY_AFTER, self._pace.now() - closed)
            try:
                yield
            finally:
                self._free_at = self._pace.now() + max(interval_seconds, self.crawl_delay_seconds)

    async def _sleep_until(self, moment: float) -> None:
        while (left := moment - self._pace.now()) > 0:
            await self._pace.sleep(left)


class Gates:
    """The gates of all hosts, made when they are asked for."""

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self._gates: dict[str, Gate] = {}

    def to(self, host: str) -> Gate:
        """The gate to a host. host: with its port."""
        gate = self._gates.pop(host, None) or Gate(self._pace)
        self._gates[host] = gate  # the one that was asked for last stands last
        if len(self._gates) > _MOST_GATES:
            idle = next((name for name, one in self._gates.items() if not one.busy), None)
            if idle is not None and idle != host:
                del self._gates[idle]
        return gate
