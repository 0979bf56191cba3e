"""How far this worker is: what its gauges of queue and lag say, and what its health tells of it."""

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager

from streams.health import Health, PartitionProgress
from streams.metrics import Metrics

__all__ = ["Place", "WorkerState"]

Place = tuple[str, int]
"""Topic and partition."""


class WorkerState:
    """Counts of the moment, kept by the agents and shown by `report`. All on one event loop."""

    def __init__(self, metrics: Metrics, health: Health | None = None) -> None:
        self._metrics = metrics
        self.health = health or Health()
        self._next: dict[Place, int] = {}  # offset of the first record that is not processed
        self._shown: set[Place] = set()
        self._numbers = itertools.count()
        self._batches: dict[int, float] = {}  # when each that is in hand was begun, oldest first
        self._idle = asyncio.Event()
        self._idle.set()
        self._draining = False
        self._comments_waiting = 0  # in the batches that are being embedded and delivered
        self.claims_waiting = 0  # to be put in order

    def processed(self, topic: str, partition: int, offset: int) -> None:
        """Everything up to this offset is done."""
        place = (topic, partition)
        self._next[place] = max(self._next.get(place, 0), offset + 1)

    def position(self, place: Place) -> int | None:
        """The first offset of a partition of this worker that is not processed; None for one of another."""
        return self._next.get(place)

    def assigned(self, committed: Mapping[Place, int]) -> None:
        """The partitions that this worker has from now on, and where it begins in each."""
        self._next = dict(committed)

    @property
    def is_idle(self) -> bool:
        """Whether no batch is being dealt with."""
        return self._idle.is_set()

    @asynccontextmanager
    async def in_hand(self, comments: int = 0) -> AsyncIterator[None]:
        """A batch is being dealt with inside the block, of so many comments. Once the worker drains none is
        begun.

        Events must be held with a reference of our own before: Faust acknowledges what it cancels.
        """
        if self._draining:
            await asyncio.Event().wait()  # until the app stops its agents
        number = next(self._numbers)
        self._batches[number] = time.monotonic()
        self._show_batches()
        self._comments_waiting += comments
        try:
            yield
        finally:
            self._comments_waiting -= comments
            del self._batches[number]
            self._show_batches()

    def _show_batches(self) -> None:
        self.health.in_hand(next(iter(self._batches.values()), None))
        if self._batches:
            self._idle.clear()
        else:
            self._idle.set()

    async def drain(self, timeout_seconds: float) -> bool:
        """Begin no further batch; returns when those in hand are done (True), or the time is over."""
        self._draining = True
        if self.is_idle:
            return True
        try:
            await asyncio.wait_for(self._idle.wait(), timeout_seconds)
        except TimeoutError:
            return False
        return True

    def report(
        self,
        assigned: Iterable[Place],
        ends: Mapping[Place, int],
        polls: Mapping[Place, float] | None = None,
    ) -> None:
        """Show the gauges. ends: offset after the last record of each partition, where it is known; polls:
        monotonic seconds at which the broker last answered for it.
        """
        mine = set(assigned)
        for topic, partition in self._shown - mine:
            self._metrics.forget_lag(topic, partition)
        self._shown &= mine
        lags = {
            place: max(0, ends[place] - self._next[place]) for place in mine & ends.keys() & self._next.keys()
        }
        for place, lag in lags.items():
            self._metrics.lag(*place, lag)
            self._shown.add(place)
        self._metrics.queue(self._comments_waiting + self.claims_waiting)
        polled = polls or {}
        self.health.progress(
            {place: PartitionProgress(*place, lags.get(place), polled.get(place)) for place in mine}
        )
