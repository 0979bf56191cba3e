"""Where agents send what they have made: a topic by role, and a delivery that can be awaited."""

import asyncio
from collections.abc import Awaitable, Iterable
from typing import NamedTuple, Protocol

from aiokafka.errors import KafkaError
from faust import App
from faust.exceptions import ProducerSendError

from streams.errors import BrokerError
from streams.settings_fields import Settings
from streams.topics import Topic, topic_name

__all__ = ["FaustOutlet", "Outlet", "Output", "deliver"]


class Output(NamedTuple):
    """A record on its way."""

    topic: Topic
    key: bytes | None
    value: bytes


class Outlet(Protocol):
    """Takes records in order; the tests have one of their own."""

    async def send(self, output: Output) -> Awaitable[object]:
        """Queue a record; what is returned is done when the broker has it, or raises if it has not."""


class FaustOutlet:
    """Sends with the producer of a Faust app."""

    def __init__(self, app: App, settings: Settings) -> None:
        self._topics = {
            topic: app.topic(
                topic_name(settings, topic),
                key_type=bytes,
                value_type=bytes,
                key_serializer="raw",
                value_serializer="raw",
            )
            for topic in Topic
        }

    async def send(self, output: Output) -> Awaitable[object]:
        """See `Outlet`."""
        return await self._topics[output.topic].send(key=output.key, value=output.value)


async def deliver(outlet: Outlet, outputs: Iterable[Output]) -> None:
    """Send records in their order; returns when the broker has all of them. Raises BrokerError."""
    try:
        await asyncio.gather(*[await outlet.send(output) for output in outputs])
    except (KafkaError, ProducerSendError) as error:
        detail = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        raise BrokerError(f"the Kafka broker does not take the results: {detail}") from error
