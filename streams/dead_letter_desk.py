"""Deals with dead letters: sends their records to where they came from, or gives them up, and marks them.

A letter is marked when the broker has confirmed its record, some hundreds at a time. A command that dies in
between leaves some sent and not marked; they are sent again by the next one, which does no harm: a comment
that comes twice counts once.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from types import TracebackType
from typing import NamedTuple

from kafka import KafkaProducer
from kafka.errors import KafkaTimeoutError, MessageSizeTooLargeError
from kafka.producer.future import FutureRecordMetadata

from streams.connection import clear_broker_errors, producer_options
from streams.dead_letter_log import Found
from streams.dead_letters import LetterMark, Treatment, encode_mark
from streams.records import DeadLetter
from streams.settings_fields import Settings
from streams.topics import Topic, topic_name

__all__ = ["DeadLetterDesk", "Refusal", "obstacle"]

_BATCH_LETTERS = 500
_BATCH_BYTES = 8 * 1024 * 1024
_FLUSH_SECONDS = 45.0  # longer than the client takes to give a record up, so that its own error comes first
_CLOSE_SECONDS = 1.0
_REPLAYABLE = (Topic.COMMENTS, Topic.CLAIMS)  # what workers read


class Refusal(NamedTuple):
    """A letter that cannot be sent again, and why; it stays open."""

    place: str
    why: str


def obstacle(letter: DeadLetter, settings: Settings) -> str | None:
    """Why a letter's record cannot be sent again; None when it can."""
    if letter.topic is None:
        return "it never was in a topic: mend it where it stands and ingest it again"
    if letter.topic not in {topic_name(settings, topic) for topic in _REPLAYABLE}:
        return "it is of no topic that a worker reads"
    if len(letter.original) < letter.original_size_bytes:
        return f"{len(letter.original)} of its {letter.original_size_bytes} bytes were kept"
    return "its key was not kept" if letter.key_was_lost else None


def _now() -> datetime:
    return datetime.now(UTC)


class DeadLetterDesk(AbstractContextManager["DeadLetterDesk"]):
    """Takes letters one by one; what it has counted in `treated` is done and marked.

    treated: letters by topic and reason. Raises BrokerError when the broker does not confirm;
    what was confirmed before is marked. Not for several threads.
    """

    def __init__(self, settings: Settings, *, clock: Callable[[], datetime] = _now) -> None:
        self._settings = settings
        self._clock = clock
        self._marks = topic_name(settings, Topic.DEAD_LETTERS)
        self.treated: Counter[tuple[str, str]] = Counter()
        self.refusals: list[Refusal] = []
        with clear_broker_errors(settings):
            self._producer = KafkaProducer(**producer_options(settings))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        # What matters has been confirmed: what is left after an error is not worth another wait.
        self._producer.close(timeout=_CLOSE_SECONDS)

    def replay(self, letters: Iterable[Found]) -> None:
        """Send the records of these letters again, with their keys, and mark those that have arrived.

        A record without a key goes back to its own partition. What cannot be sent is in `refusals`.
        """
        batch: list[tuple[Found, FutureRecordMetadata]] = []
        size_bytes = 0
        for found in letters:
            why = obstacle(found.letter, self._settings)
            if why is not None:
                self.refusals.append(Refusal(found.letter.place, why))
                continue
            batch.append((found, self._send(found.letter)))
            size_bytes += len(found.letter.original)
            if len(batch) >= _BATCH_LETTERS or size_bytes >= _BATCH_BYTES:
                self._confirm(batch)
                batch, size_bytes = [], 0
        self._confirm(batch)

    def drop(self, letters: Iterable[Found]) -> None:
        """Mark these letters as given up; their bytes stay in the topic as long as it keeps them."""
        batch: list[Found] = []
        for found in letters:
            batch.append(found._replace(letter=_without_bytes(found.letter)))
            if len(batch) >= _BATCH_LETTERS:
                self._mark(batch, Treatment.DROPPED)
                batch = []
        self._mark(batch, Treatment.DROPPED)

    def _send(self, letter: DeadLetter) -> FutureRecordMetadata:
        partition = letter.partition if letter.key is None else None
        with clear_broker_errors(self._settings):
            return self._producer.send(letter.topic or "", letter.original, letter.key, partition=partition)

    def _confirm(self, batch: list[tuple[Found, FutureRecordMetadata]]) -> None:
        error: BaseException | None = None
        try:
            self._producer.flush(timeout=_FLUSH_SECONDS)
        except KafkaTimeoutError as late:
            error = late
        arrived = []
        for found, future in batch:
            if future.is_done and future.exception is None:
                arrived.append(found)
            elif isinstance(future.exception, MessageSizeTooLargeError):
                self.refusals.append(Refusal(found.letter.place, "it is more than its topic takes"))
            else:
                error = future.exception or error or KafkaTimeoutError("no answer")
        self._mark(arrived, Treatment.REPLAYED)
        if error is not None:
            with clear_broker_errors(self._settings):
                raise error

    def _mark(self, letters: list[Found], treatment: Treatment) -> None:
        if not letters:
            return
        mark = LetterMark(letters=[one.id for one in letters], treatment=treatment, at=self._clock())
        with clear_broker_errors(self._settings):
            future = self._producer.send(self._marks, encode_mark(mark))
            future.get(timeout=_FLUSH_SECONDS)
        self.treated.update((one.letter.topic or "files", one.letter.reason.value) for one in letters)


def _without_bytes(letter: DeadLetter) -> DeadLetter:
    """What is needed to count it: the batch may hold hundreds of them."""
    return DeadLetter(
        original=b"",
        original_size_bytes=letter.original_size_bytes,
        reason=letter.reason,
        detail="",
        at=letter.at,
        place=letter.place,
        topic=letter.topic,
    )
