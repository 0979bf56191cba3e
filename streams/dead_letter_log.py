"""Reads the topic of dead letters: once for the marks, then again for the letters as often as is wanted.

Memory holds the ids of the letters and one record, never all of their bytes: a letter may have megabytes.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import NamedTuple

from kafka import KafkaConsumer

from streams.connection import open_consumer
from streams.dead_letters import Choice, LetterMark, Treatment, decode_entry, letter_id
from streams.errors import RejectedComment
from streams.partition_reader import assign_all, read_stretch
from streams.records import DeadLetter
from streams.settings_fields import Settings
from streams.topics import Topic

__all__ = ["DeadLetterLog", "Found", "Treated", "open_dead_letters"]


class Treated(NamedTuple):
    """What was done with a letter, and when last."""

    treatment: Treatment
    at: datetime


class Found(NamedTuple):
    """A letter of the topic. treated: None while it is open."""

    id: str
    letter: DeadLetter
    treated: Treated | None


class DeadLetterLog:
    """The dead letters as they were when it was made; what comes later is for the next look.

    `foreign_count` is the number of records in the topic that are neither letter nor mark.
    Raises BrokerError when the topic is missing or the broker does not deliver.
    """

    def __init__(self, consumer: KafkaConsumer, settings: Settings) -> None:
        self._consumer = consumer
        self._ends = assign_all(consumer, settings, Topic.DEAD_LETTERS)
        self.foreign_count = 0
        self._treated = self._read_marks()

    def letters(self, choice: Choice, *, include_treated: bool = False) -> Iterator[Found]:
        """The letters of the choice, oldest first, each once; the open ones unless told otherwise."""
        seen: set[str] = set()
        for entry in self._entries():
            if not isinstance(entry, DeadLetter) or not choice.takes(entry):
                continue
            found = Found(letter_id(entry), entry, self._treated.get(letter_id(entry)))
            if found.id in seen or (found.treated is not None and not include_treated):
                continue
            seen.add(found.id)
            yield found

    def _read_marks(self) -> dict[str, Treated]:
        treated: dict[str, Treated] = {}
        for entry in self._entries():
            if entry is None:
                self.foreign_count += 1
            elif isinstance(entry, LetterMark):
                treated |= dict.fromkeys(entry.letters, Treated(entry.treatment, entry.at))
        return treated

    def _entries(self) -> Iterator[DeadLetter | LetterMark | None]:
        for place, end in self._ends.items():
            for record in read_stretch(self._consumer, place, 0, end):
                try:
                    yield decode_entry(record.value or b"")
                except RejectedComment:  # whoever wrote it: there is nothing to be done with it here
                    yield None


@contextmanager
def open_dead_letters(settings: Settings) -> Iterator[DeadLetterLog]:
    """The log for the block. Raises BrokerError."""
    with open_consumer(settings, auto_offset_reset="earliest") as consumer:
        yield DeadLetterLog(consumer, settings)
