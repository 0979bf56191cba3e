"""How a worker fetches from the broker: several records at a time, also when they come one by one.

Left to itself the broker answers as soon as there is one record. At a hundred comments a second that is a
hundred answers and a hundred more for their claims, each of which costs both sides most of a millisecond:
a twentieth of what a worker with an encoder does, and what is left for the encoder then comes in batches too
small to be computed well. So the broker is asked to wait a little, which Faust has no setting for.
"""

from typing import Any

import faust
from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread, Consumer
from faust.types import TransportT

__all__ = ["FETCH_WAIT_MS", "GatheringApp"]

FETCH_WAIT_MS = 100  # at most so long, until there are
FETCH_BYTES = 64 * 1024


class _GatheringThread(AIOKafkaConsumerThread):
    def _create_worker_consumer(self, transport: Any) -> Any:
        consumer: Any = super()._create_worker_consumer(transport)
        # What aiokafka was told when it was made; it hands them to its fetcher when it starts.
        consumer._fetch_min_bytes = FETCH_BYTES
        consumer._fetch_max_wait_ms = FETCH_WAIT_MS
        return consumer


class _GatheringConsumer(Consumer):
    def _new_consumer_thread(self) -> AIOKafkaConsumerThread:
        return _GatheringThread(self, loop=self.loop, beacon=self.beacon)


class GatheringApp(faust.App):
    """A Faust app that fetches so."""

    def _new_transport(self) -> TransportT:
        transport = super()._new_transport()
        setattr(transport, "Consumer", _GatheringConsumer)  # noqa: B010 - declared as the class's own
        return transport
