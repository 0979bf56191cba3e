"""The agent that reads `comments` and writes `claims`: any number of workers share its partitions.

Delivery is at least once: the place in `comments` moves on only when the claims of a batch are with the
broker. Faust acknowledges a batch of `take_events` also when its agent raises or is cancelled in the middle
of it; each event is therefore held with a reference of our own, which is given back after delivery and only
then. (`noack()` would do that, too, but its batches are lost after a crash.)

The encoder is what everything waits for. While it has a batch, comments that come are read and split into
claims, and the claims of the batch before are on their way; then it takes all that is there, be it little. A
comment that comes again meanwhile is embedded twice, and counted once by the engine.

Values are raw bytes, because Faust acknowledges and drops what it cannot decode. Reading and embedding run in
threads: the loop has heartbeats and commits to attend to.
"""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from typing import NamedTuple, TypeVar, cast

from faust import App, EventT, Stream, StreamT, TopicT
from faust.types import TP
from mode.supervisors import CrashingSupervisor

from streams.claim_stage import ClaimStage, Delivery, Reading
from streams.outlets import Outlet, deliver
from streams.settings_fields import Settings
from streams.worker_state import WorkerState

__all__ = ["Executors", "add_claims_agent"]

_READ_TOGETHER = 64  # comments: few, so that what is read is soon there to be embedded

S = TypeVar("S")
T = TypeVar("T")


class Executors(NamedTuple):
    """A thread for each step."""

    reading: Executor
    embedding: Executor


class _Read(NamedTuple):
    event: EventT[bytes]
    reading: Reading


def add_claims_agent(
    app: App,
    topic: TopicT,
    stage: ClaimStage,
    *,
    settings: Settings,
    outlet: Outlet,
    executors: Executors,
    state: WorkerState,
    end_of: Callable[[TP], int | None],
) -> None:
    """Add the agent to the app. What it cannot cope with (the broker refuses) stops the whole worker.

    end_of: the offset after the last record of a partition, as far as it is known.
    """
    most = settings.batch_max_comments

    async def read(queue: asyncio.Queue[EventT[bytes]], into: asyncio.Queue[_Read]) -> None:
        while True:
            events = await _taken(queue, _READ_TOGETHER)
            ends = {place: end_of(place) or 0 for place in {event.message.tp for event in events}}
            deliveries = [_delivery_of(event, ends[event.message.tp]) for event in events]
            found = await _in_thread(executors.reading, stage.read, deliveries)
            for one in zip(events, found, strict=True):
                await into.put(_Read(*one))

    async def embed(queue: asyncio.Queue[_Read], group: asyncio.TaskGroup) -> None:
        delivering = asyncio.Lock()  # one batch after the other, in their order
        while True:
            is_judged = asyncio.Event()
            group.create_task(process(await _taken(queue, most), is_judged, delivering))
            await is_judged.wait()

    async def process(batch: Sequence[_Read], is_judged: asyncio.Event, delivering: asyncio.Lock) -> None:
        async with state.in_hand(comments=len(batch)):
            readings = [one.reading for one in batch]
            judgement = await _in_thread(executors.embedding, stage.judge, readings)
            async with delivering:
                is_judged.set()
                await deliver(outlet, judgement.outputs)
                stage.delivered(judgement)
                for event, _ in batch:
                    state.processed(event.message.topic, event.message.partition, event.message.offset)
                    event.ack()

    async def claims(stream: StreamT[bytes]) -> None:
        arrived = asyncio.Queue[EventT[bytes]](_READ_TOGETHER)
        ready = asyncio.Queue[_Read](most)
        arrivals = cast("Stream[bytes]", stream).take_events(most, within=settings.batch_wait_seconds)
        try:
            async with asyncio.TaskGroup() as group:
                steps = [group.create_task(read(arrived, ready)), group.create_task(embed(ready, group))]
                async for events in arrivals:
                    for event in events:
                        event.message.incref()
                        await arrived.put(event)
                for step in steps:
                    step.cancel()
        except ExceptionGroup as errors:
            raise errors.exceptions[0] from None

    app.agent(topic, name="claims", supervisor_strategy=CrashingSupervisor)(claims)


async def _in_thread(executor: Executor, function: Callable[[list[S]], T], argument: list[S]) -> T:
    return await asyncio.get_running_loop().run_in_executor(executor, function, argument)


async def _taken(queue: asyncio.Queue[T], most: int) -> list[T]:
    """All that is in a queue, at least one."""
    taken = [await queue.get()]
    while len(taken) < most and not queue.empty():
        taken.append(queue.get_nowait())
    return taken


def _delivery_of(event: EventT[bytes], end_offset: int) -> Delivery:
    """What came with an event; a record without a value counts as an empty one."""
    message = event.message
    return Delivery(
        value=event.value or b"",
        key=message.key,
        topic=message.topic,
        partition=message.partition,
        offset=message.offset,
        arrival_ms=round(message.timestamp * 1000),
        end_offset=end_offset,
    )
