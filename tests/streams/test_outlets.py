"""Delivery to the broker: what is too large, what is refused."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from aiokafka.errors import (
    KafkaError,
    KafkaTimeoutError,
    MessageSizeTooLargeError,
    NodeNotReadyError,
    UnknownTopicOrPartitionError,
)
from faust.exceptions import ProducerSendError

from streams.errors import BrokerError, RejectedComment, RejectReason
from streams.outlets import Output, deliver, letter_output
from streams.records import MAX_KEPT_BYTES, cut_letter, dead_letter, decode_dead_letter
from streams.topics import Topic
from tests.streams.test_dead_letters import NOW


class PickyOutlet:
    """Fails as it is told: `judge` gives the error for a record, or None."""

    def __init__(self, judge: Callable[[Output], Exception | None]) -> None:
        self._judge = judge
        self.taken: list[bytes] = []

    async def send(self, output: Output) -> Awaitable[object]:
        error = self._judge(output)
        if isinstance(error, ProducerSendError):
            raise error
        future: asyncio.Future[object] = asyncio.get_running_loop().create_future()
        if error is None:
            self.taken.append(output.value)
            future.set_result(None)
        else:
            future.set_exception(error)
        return future


def outputs(*values: bytes) -> list[Output]:
    return [Output(Topic.CLAIMS, None, value) for value in values]


def locally_too_large(output: Output) -> Exception | None:
    if len(output.value) < 1_000_000:
        return None
    error = ProducerSendError("Error while sending")
    error.__cause__ = MessageSizeTooLargeError()
    return error


def too_large_for_the_broker(output: Output) -> Exception | None:
    return MessageSizeTooLargeError() if len(output.value) >= 1_000_000 else None


@pytest.mark.parametrize("judge", [locally_too_large, too_large_for_the_broker])
async def test_a_letter_too_large_for_its_topic_is_cut(
    judge: Callable[[Output], Exception | None],
) -> None:
    rejection = RejectedComment(RejectReason.TOO_LARGE, "large").at("comments", 0, 1)
    letter = dead_letter(b"x" * 3_000_000, rejection, at=NOW)
    outlet = PickyOutlet(judge)
    await deliver(outlet, [letter_output(letter), *outputs(b"next")])
    assert outlet.taken[0] == b"next"
    assert decode_dead_letter(outlet.taken[1]) == cut_letter(letter)


def test_a_letter_that_any_topic_takes_has_no_second_form() -> None:
    rejection = RejectedComment(RejectReason.TOO_LARGE, "large").at("comments", 0, 1)
    assert letter_output(dead_letter(b"x" * MAX_KEPT_BYTES, rejection, at=NOW)).smaller is None


async def test_what_cannot_be_made_smaller_is_an_error() -> None:
    with pytest.raises(BrokerError, match="MessageSizeTooLargeError"):
        await deliver(PickyOutlet(too_large_for_the_broker), outputs(b"x" * 1_000_000))


async def test_what_the_broker_refuses_is_an_error() -> None:
    with pytest.raises(BrokerError, match=r"does not take the results: .*KafkaError: no"):
        await deliver(PickyOutlet(lambda _: KafkaError("no")), outputs(b"a", b"b"))


def never_there(_: Output) -> Exception | None:
    error = ProducerSendError("Error while sending")
    error.__cause__ = UnknownTopicOrPartitionError()
    return error


@pytest.mark.parametrize("error", [NodeNotReadyError(), KafkaTimeoutError(), never_there(outputs(b"")[0])])
async def test_a_broker_that_is_away_is_waited_for(
    error: Exception, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr("streams.outlets.asyncio.sleep", sleep)
    tries = 0

    def away(output: Output) -> Exception | None:
        nonlocal tries
        tries += output.value == b"b"
        return error if output.value == b"b" and tries <= 8 else None

    outlet = PickyOutlet(away)
    await deliver(outlet, outputs(b"a", b"b"))
    assert outlet.taken == [b"a", b"b"]
    assert slept == [0.5, 1, 2, 4, 8, 10, 10, 10]  # neither spinning nor forgetting
    assert "does not take the results yet" in caplog.text


async def test_what_cannot_be_sent_now_is_not_overtaken() -> None:
    asked: list[bytes] = []

    def away_at_first(output: Output) -> Exception | None:
        asked.append(output.value)
        return never_there(output) if len(asked) == 2 else None

    outlet = PickyOutlet(away_at_first)
    await deliver(outlet, outputs(b"a", b"b", b"c"))
    assert outlet.taken == [b"a", b"b", b"c"]
    assert asked == [b"a", b"b", b"b", b"c"]
