"""The agent that reads `comments` and writes `claims`: any number of workers share its partitions.

Delivery is at least once: the place in `comments` moves on only when the claims of a batch are with the
broker. Faust acknowledges a batch of `take_events` also when its agent raises or is cancelled in the middle
of it; each event is therefore held with a reference of our own, which is given back after delivery and only
then. (`noack()` would do that, too, but its batches are lost after a crash.)

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

from streams.claim_stage import ClaimStage, Delivery
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

    async def process(events: Sequence[EventT[bytes]]) -> None:
        ends = {place: end_of(place) or 0 for place in {event.message.tp for event in events}}
        deliveries = [_delivery_of(event, ends[event.message.tp]) for event in events]
        state.comments_waiting = len(deliveries)
        judgement = await asyncio.get_running_loop().run_in_executor(executor, stage.judge, deliveries)
        await deliver(outlet, judgement.outputs)
        stage.delivered(judgement)
        state.comments_waiting = 0
        for event in events:
            state.processed(event.message.topic, event.message.partition, event.message.offset)
            event.ack()

    async def claims(stream: StreamT[bytes]) -> None:
        within = settings.batch_wait_seconds
        async for events in cast("Stream[bytes]", stream).take_events(
            settings.batch_max_comments, within=within
        ):
            for event in events:
                event.message.incref()
            async with state.in_hand():
                await process(events)

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
