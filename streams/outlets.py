"""Where agents send what they have made: a topic by role, and a delivery that can be awaited."""

import asyncio
from collections.abc import Awaitable, Iterable, Sequence
from typing import NamedTuple, Protocol

from aiokafka.errors import KafkaError, MessageSizeTooLargeError
from faust import App
from faust.exceptions import ProducerSendError

from streams.errors import BrokerError
from streams.records import MAX_KEPT_BYTES, DeadLetter, cut_letter, encode_dead_letter
from streams.settings_fields import Settings
from streams.topics import Topic, topic_name

__all__ = ["FaustOutlet", "Outlet", "Output", "deliver", "letter_output"]


class Output(NamedTuple):
    """A record on its way. smaller: what to send instead when the broker finds the value too large."""

    topic: Topic
    key: bytes | None
    value: bytes
    smaller: bytes | None = None


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


def letter_output(letter: DeadLetter) -> Output:
    """A dead letter on its way: whole, or cut where its topic was made for less."""
    large = len(letter.original) + len(letter.key or b"") > MAX_KEPT_BYTES
    smaller = encode_dead_letter(cut_letter(letter)) if large else None
    return Output(Topic.DEAD_LETTERS, None, encode_dead_letter(letter), smaller)


async def deliver(outlet: Outlet, outputs: Iterable[Output]) -> None:
    """Send records in their order; returns when the broker has all of them. Raises BrokerError."""
    waiting = list(outputs)
    while waiting:
        errors = await _attempt(outlet, waiting)
        again = []
        for output, error in zip(waiting, errors, strict=True):
            if error is None:
                continue
            if not _is_too_large(error) or output.smaller is None:
                raise _explained(error) from error
            again.append(output._replace(value=output.smaller, smaller=None))
        waiting = again


async def _attempt(outlet: Outlet, outputs: Sequence[Output]) -> list[BaseException | None]:
    """Send each once; returns what went wrong with each. Raises what is no error of the broker."""
    arrivals: list[Awaitable[object]] = []
    for output in outputs:
        try:
            arrivals.append(await outlet.send(output))
        except ProducerSendError as error:  # the client itself found something wrong with it
            arrivals.append(_failed(error))
    results = await asyncio.gather(*arrivals, return_exceptions=True)
    errors = [result if isinstance(result, BaseException) else None for result in results]
    for wrong in errors:
        if wrong is not None and not isinstance(wrong, (KafkaError, ProducerSendError)):
            raise wrong
    return errors


async def _failed(error: Exception) -> None:
    raise error


def _is_too_large(error: BaseException) -> bool:
    return isinstance(error, MessageSizeTooLargeError) or isinstance(
        error.__cause__, MessageSizeTooLargeError
    )


def _explained(error: BaseException) -> BrokerError:
    detail = " ".join(f"{type(error).__name__}: {error}".split())[:200]
    return BrokerError(f"the Kafka broker does not take the results: {detail}")
