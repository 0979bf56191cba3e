"""How far each source has been read, kept in the compacted topic `cursors`: the last record of a key counts.

The key is desk/kind/source, the value JSON: the connector's own cursor, and when it was saved. Whoever saves
one has made sure before that the broker has all comments up to there.
"""

import logging
from collections.abc import Collection, Mapping
from types import TracebackType
from typing import Self

import msgspec
from kafka import KafkaProducer

from streams.connection import clear_broker_errors, open_consumer, producer_options
from streams.partition_reader import partitions_of, read_stretch
from streams.settings_fields import Settings
from streams.topics import Topic, topic_name

__all__ = ["CursorLog", "SavedCursor", "read_cursors"]

_SEND_SECONDS = 45.0  # longer than the client takes to give a record up, so that its own error comes first
_CLOSE_SECONDS = 1.0

_logger = logging.getLogger(__name__)


class SavedCursor(msgspec.Struct, frozen=True):
    """A record of the topic. saved_at: epoch ms."""

    saved_at: int
    cursor: msgspec.Raw


def read_cursors(settings: Settings, keys: Collection[str]) -> dict[str, bytes]:
    """The JSON of the cursors that were saved last, by key.

    Raises BrokerError when the broker is down or lacks the topic.
    """
    found: dict[str, bytes] = {}
    wanted = {key.encode(): key for key in keys}
    with open_consumer(settings, auto_offset_reset="earliest") as consumer:
        place, *_ = partitions_of(consumer, settings, Topic.CURSORS)
        consumer.assign([place])
        end = consumer.end_offsets([place])[place]
        for record in read_stretch(consumer, place, 0, end):
            key = wanted.get(record.key or b"")
            if key is None:
                continue
            try:
                found[key] = bytes(msgspec.json.decode(record.value or b"", type=SavedCursor).cursor)
            except msgspec.DecodeError as error:
                _logger.warning("a record of the topic cursors for %s is not readable: %s", key, error)
    return found


class CursorLog:
    """Writes cursors. Not for several threads; a context manager.  Raises BrokerError."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._topic = topic_name(settings, Topic.CURSORS)
        with clear_broker_errors(settings):
            self._producer = KafkaProducer(**producer_options(settings))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def save(self, cursors: Mapping[str, bytes], *, now_ms: int) -> None:
        """Return when the broker has them. cursors: JSON by key."""
        with clear_broker_errors(self._settings):
            under_way = [
                self._producer.send(
                    self._topic,
                    value=msgspec.json.encode(SavedCursor(now_ms, msgspec.Raw(cursor))),
                    key=key.encode(),
                    partition=0,
                )
                for key, cursor in cursors.items()
            ]
            for future in under_way:
                future.get(timeout=_SEND_SECONDS)

    def close(self, timeout: float = _CLOSE_SECONDS) -> None:
        """Close the connection; what is under way after so many seconds is given up."""
        self._producer.close(timeout=timeout)
