"""Brings comments to the broker: acknowledged, in order, bounded in memory, no error swallowed.

Delivery: at least once. A record is sent when `flush` (or the end of the `with` block) has returned without
an error; after an error, send all since the last `flush` again: a comment seen twice is counted once.
"""

from collections import deque
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from types import TracebackType
from typing import Self

from kafka import KafkaProducer
from kafka.errors import KafkaTimeoutError, MessageSizeTooLargeError

from streams.comments import comment_key
from streams.connection import clear_broker_errors, producer_options
from streams.errors import BrokerError, RejectedComment, RejectReason
from streams.ingest.base import RawComment
from streams.records import MAX_KEPT_BYTES, DeadLetter, cut_letter, dead_letter, encode_dead_letter
from streams.settings_fields import Settings
from streams.topics import Topic, describe_topics, topic_name

__all__ = ["CommentProducer"]

# kafka-python's own buffer has no bound: wait for the broker after so much.
_MAX_PENDING_RECORDS = 5_000
_MAX_PENDING_BYTES = 8 * 1024 * 1024
_FLUSH_SECONDS = 45.0  # longer than the client takes to give a record up, so that its own error comes first
_CLOSE_SECONDS = 1.0


def _now() -> datetime:
    return datetime.now(UTC)


class CommentProducer:
    """Sends `RawComment`s to the topic of comments, and what no record can be made of to the dead letters.

    Records that cannot be processed are sent nevertheless: the worker judges them, counts them and puts them
    aside with their place in the topic. Keyed by source and id, so that the versions of a comment keep their
    order; a record whose id cannot be read has no key.
    Raises BrokerError when the broker is down, refuses, or lacks the topics. Not for several threads.
    """

    def __init__(self, settings: Settings, *, clock: Callable[[], datetime] = _now) -> None:
        self._settings = settings
        self._clock = clock
        self._comments = topic_name(settings, Topic.COMMENTS)
        self._dead_letters = topic_name(settings, Topic.DEAD_LETTERS)
        self._require_topics()
        with clear_broker_errors(settings):
            self._producer = KafkaProducer(**producer_options(settings))
        self._pending_records = 0
        self._pending_bytes = 0
        self._failures: deque[BaseException] = deque()
        self._refused: deque[Callable[[], None]] = deque()  # what to do instead
        self.sent_count = 0  # to the topic of comments
        self.dead_letter_count = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            if error is None:
                self.flush()
        finally:
            # What matters has been flushed: what is left after an error is not worth another wait.
            self.close()

    def close(self, timeout: float = _CLOSE_SECONDS) -> None:
        """Close the connection; what is under way after so many seconds is given up."""
        # It waits for each batch, and what it raises about one it has said before: to whoever sent that.
        with suppress(KafkaTimeoutError):
            self._producer.close(timeout=timeout)

    def send(self, item: RawComment) -> None:
        """Hand one record over; it is on its way, not yet there. May wait for the broker.

        Raises BrokerError for this record or an earlier one.
        """
        if item.record is None:
            self._put_aside(item, item.rejection)
            return
        key = None if item.comment is None else comment_key(item.comment)
        with clear_broker_errors(self._settings):
            future = self._producer.send(self._comments, item.record, key=key)
        future.add_errback(partial(self._on_failure, partial(self._put_aside_unsent, item)))
        self.sent_count += 1
        self._account(len(item.record))

    def flush(self) -> None:
        """Return when the broker has everything sent so far. Raises BrokerError if it has not."""
        self._flush_once()
        while self._refused:
            self._refused.popleft()()
            self._flush_once()

    def _flush_once(self) -> None:
        with clear_broker_errors(self._settings):
            self._producer.flush(timeout=_FLUSH_SECONDS)
            self._pending_records = self._pending_bytes = 0
            if self._failures:
                raise self._failures.popleft()

    def _put_aside_unsent(self, item: RawComment) -> None:
        self.sent_count -= 1
        detail = f"{item.size_bytes} bytes are more than the broker takes"
        self._put_aside(item, RejectedComment(RejectReason.TOO_LARGE, detail))

    def _put_aside(self, item: RawComment, rejection: RejectedComment | None) -> None:
        if rejection is None:
            raise ValueError("a raw comment has neither a record nor a rejection")
        letter = dead_letter(
            item.original, rejection, at=self._clock(), place=item.place, size_bytes=item.size_bytes
        )
        self.dead_letter_count += 1
        self._send_letter(letter)

    def _send_letter(self, letter: DeadLetter) -> None:
        value = encode_dead_letter(letter)
        with clear_broker_errors(self._settings):
            future = self._producer.send(self._dead_letters, value)
        if len(letter.original) > MAX_KEPT_BYTES:
            future.add_errback(partial(self._on_failure, partial(self._send_letter, cut_letter(letter))))
        else:
            future.add_errback(self._failures.append)
        self._account(len(value))

    def _account(self, size_bytes: int) -> None:
        self._pending_records += 1
        self._pending_bytes += size_bytes
        if self._pending_records >= _MAX_PENDING_RECORDS or self._pending_bytes >= _MAX_PENDING_BYTES:
            self.flush()

    def _on_failure(self, instead: Callable[[], None], error: BaseException) -> None:
        """Called by the producer's thread."""
        if isinstance(error, MessageSizeTooLargeError):
            self._refused.append(instead)
        else:
            self._failures.append(error)

    def _require_topics(self) -> None:
        missing = [state.name for state in describe_topics(self._settings) if state.partitions == 0]
        if missing:
            raise BrokerError(
                f"the broker at {self._settings.kafka_bootstrap} lacks the topics {', '.join(missing)}:"
                " run narrawatch topics create"
            )
