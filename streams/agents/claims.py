"""The agent that reads `comments` and writes `claims`: any number of workers share its partitions.

Delivery is at least once: the place in `comments` moves on only when the claims of a batch are with the
broker. Faust acknowledges a batch of `take_events` also when its agent raises or is cancelled in the middle
of it; each event is therefore held with a reference of our own, which is given back after delivery and only
then. (`noack()` would do that, too, but its batches are lost after a crash.)

The encoder is what everything waits for: while the claims of a batch are on their way the next one is
embedded, of all comments that have come by then, be they few. A comment that comes in both is embedded twice,
and counted once by the engine.

Values are raw bytes, because Faust acknowledges and drops what it cannot decode. Judging and embedding run in
a thread: the loop has heartbeats and commits to attend to.
"""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from typing import cast

from faust import App, EventT, Stream, StreamT, TopicT
from faust.types import TP
from mode.supervisors import CrashingSupervisor

from streams.claim_stage import ClaimStage, Delivery, Judgement
from streams.outlets import Outlet, deliver
from streams.settings_fields import Settings
from streams.worker_state import WorkerState

__all__ = ["add_claims_agent"]


def add_claims_agent(
    app: App,
    topic: TopicT,
    stage: ClaimStage,
    *,
    settings: Settings,
    outlet: Outlet,
    executor: Executor,
    state: WorkerState,
    end_of: Callable[[TP], int | None],
) -> None:
    """Add the agent to the app. What it cannot cope with (the broker refuses) stops the whole worker.

    end_of: the offset after the last record of a partition, as far as it is known.
    """

    delivering = asyncio.Lock()  # one batch after the other, in their order

    async def judge(events: Sequence[EventT[bytes]]) -> Judgement:
        ends = {place: end_of(place) or 0 for place in {event.message.tp for event in events}}
        deliveries = [_delivery_of(event, ends[event.message.tp]) for event in events]
        return await asyncio.get_running_loop().run_in_executor(executor, stage.judge, deliveries)

    async def process(events: Sequence[EventT[bytes]], is_judged: asyncio.Event) -> None:
        async with state.in_hand(comments=len(events)):
            judgement = await judge(events)
            async with delivering:
                is_judged.set()
                await deliver(outlet, judgement.outputs)
                stage.delivered(judgement)
                for event in events:
                    state.processed(event.message.topic, event.message.partition, event.message.offset)
                    event.ack()

    async def work(queue: asyncio.Queue[EventT[bytes]], group: asyncio.TaskGroup) -> None:
        while True:
            events = [await queue.get()]
            while len(events) < settings.batch_max_comments and not queue.empty():
                events.append(queue.get_nowait())
            is_judged = asyncio.Event()
            group.create_task(process(events, is_judged))
            await is_judged.wait()

    async def claims(stream: StreamT[bytes]) -> None:
        queue = asyncio.Queue[EventT[bytes]](settings.batch_max_comments)
        arrivals = cast("Stream[bytes]", stream).take_events(
            settings.batch_max_comments, within=settings.batch_wait_seconds
        )
        try:
            async with asyncio.TaskGroup() as group:
                working = group.create_task(work(queue, group))
                async for events in arrivals:
                    for event in events:
                        event.message.incref()
                        await queue.put(event)
                working.cancel()
        except ExceptionGroup as errors:
            raise errors.exceptions[0] from None

    app.agent(topic, name="claims", supervisor_strategy=CrashingSupervisor)(claims)


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
