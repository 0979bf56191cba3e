"""Where agents send what they have made: a topic by role, and a delivery that can be awaited."""

import asyncio
import logging
from collections.abc import Awaitable, Iterable, Sequence
from typing import Protocol, cast

from aiokafka.errors import KafkaError, KafkaTimeoutError, MessageSizeTooLargeError
from faust import App
from faust.exceptions import ProducerSendError

from streams.errors import BrokerError
from streams.output import Output
from streams.records import MAX_KEPT_BYTES, DeadLetter, cut_letter, encode_dead_letter
from streams.settings_fields import Settings
from streams.topics import Topic, topic_name

__all__ = ["FaustOutlet", "Outlet", "Output", "deliver", "letter_output"]

_FIRST_PAUSE_SECONDS = 0.5
_LONGEST_PAUSE_SECONDS = 10.0

_logger = logging.getLogger(__name__)


class Outlet(Protocol):
    """Takes records in order; the tests have one of their own."""

    async def send(self, output: Output) -> Awaitable[object]:
        """Queue a record; what is returned is done when the broker has it, or raises if it has not."""


class FaustOutlet:
    """Sends with the producer of a Faust app.

    Not with Faust's topics: what they return of a record that fails is not all that they made for it, and
    asyncio complains of the rest with a traceback for each record.
    """

    def __init__(self, app: App, settings: Settings) -> None:
        self._app = app
        self._names = {topic: topic_name(settings, topic) for topic in Topic}

    async def send(self, output: Output) -> Awaitable[object]:
        """See `Outlet`."""
        producer = await self._app.maybe_start_producer()
        sent = await producer.send(
            self._names[output.topic], output.key, output.value, partition=None, timestamp=None, headers=None
        )
        return cast("Awaitable[object]", sent)


def letter_output(letter: DeadLetter) -> Output:
    """A dead letter on its way: whole, or cut where its topic was made for less."""
    large = len(letter.original) + len(letter.key or b"") > MAX_KEPT_BYTES
    smaller = encode_dead_letter(cut_letter(letter)) if large else None
    return Output(Topic.DEAD_LETTERS, None, encode_dead_letter(letter), smaller)


async def deliver(outlet: Outlet, outputs: Iterable[Output]) -> None:
    """Send records in their order; returns when the broker has all of them.

    A broker that is away is waited for, as long as it takes: giving up would lose nothing, but gain nothing
    either. Health tells that a batch is stuck. Raises BrokerError when the broker refuses.
    """
    waiting = list(outputs)
    pause_seconds = _FIRST_PAUSE_SECONDS
    while waiting:
        errors = await _attempt(outlet, waiting)
        again = []
        passing: BaseException | None = None
        for output, error in zip(waiting, errors, strict=True):
            if error is None:
                continue
            if _is_passing(error):
                passing = error
                again.append(output)
            elif _is_too_large(error) and output.smaller is not None:
                again.append(output._replace(value=output.smaller, smaller=None))
            else:
                raise BrokerError(f"the Kafka broker does not take the results: {_line(error)}") from error
        if passing is not None:
            _logger.warning("the Kafka broker does not take the results yet: %s", _line(passing))
            await asyncio.sleep(pause_seconds)
            pause_seconds = min(2 * pause_seconds, _LONGEST_PAUSE_SECONDS)
        waiting = again


async def _attempt(outlet: Outlet, outputs: Sequence[Output]) -> list[BaseException | None]:
    """Send each once; returns what went wrong with each. Raises what is no error of the broker."""
    arrivals: list[Awaitable[object]] = []
    unsent: list[BaseException | None] = []
    for output in outputs:
        try:
            arrivals.append(await outlet.send(output))
        except ProducerSendError as error:  # the client itself found something wrong with it
            if _is_passing(error):
                # Each of the others would wait as long, and must not overtake this one.
                unsent = [error] * (len(outputs) - len(arrivals))
                break
            arrivals.append(_failed(error))
    results = await asyncio.gather(*arrivals, return_exceptions=True)
    errors = [result if isinstance(result, BaseException) else None for result in results]
    for wrong in errors:
        if wrong is not None and not isinstance(wrong, (KafkaError, ProducerSendError)):
            raise wrong
    return errors + unsent


async def _failed(error: Exception) -> None:
    raise error


def _is_passing(error: BaseException) -> bool:
    """Whether it is of the kind that goes away when the broker comes back."""
    cause = error.__cause__ if isinstance(error, ProducerSendError) else error
    # The topics were there when the worker started: that one is unknown says that nobody answers.
    return isinstance(cause, KafkaTimeoutError) or (isinstance(cause, KafkaError) and cause.retriable)


def _is_too_large(error: BaseException) -> bool:
    return isinstance(error, MessageSizeTooLargeError) or isinstance(
        error.__cause__, MessageSizeTooLargeError
    )


def _line(error: BaseException) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:200]
