"""When the broker was last heard of, by what the client of Faust's consumer keeps of its connections.

Heartbeats, polls, commits: each answer counts, so that it is also known of a worker that has no partitions or
is too busy to poll. aiokafka has no public word for it; what it keeps to close idle connections is what is
asked for.
"""

import time
from collections.abc import Iterable
from typing import Any

import faust
from aiokafka import TopicPartition

from streams.worker_state import Place

__all__ = ["last_answer", "last_polls"]


def last_answer(app: faust.App) -> float | None:
    """Monotonic seconds of the last answer on a connection that is open; None when there is none."""
    client = getattr(_consumer(app), "_client", None)
    connections = list(client._conns.values()) if client is not None else []
    return max((one._last_action for one in connections if one.connected()), default=None)


def last_polls(app: faust.App, places: Iterable[Place]) -> dict[Place, float]:
    """Monotonic seconds of the last answer for each of these partitions, where there was one."""
    consumer = _consumer(app)
    offset = time.monotonic() - time.time()  # aiokafka tells this one by the clock on the wall
    polls: dict[Place, float] = {}
    for place in places:
        partition = TopicPartition(*place)
        if consumer is not None and partition in consumer.assignment():
            at_ms = consumer.last_poll_timestamp(partition)
            if at_ms is not None:
                polls[place] = at_ms / 1000 + offset
    return polls


def _consumer(app: faust.App) -> Any:
    """aiokafka's consumer inside of Faust's; None before it has started."""
    return getattr(getattr(app.consumer, "_thread", None), "_consumer", None)
