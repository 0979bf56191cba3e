"""How far each source has been read, kept in the compacted topic `cursors`: the last record of a key counts.

The key is desk/kind/source, the value JSON: the connector's own cursor, and when it was saved. Whoever saves
one has made sure before that the broker has all comments up to there. Under that key and "#sending" stand
the ids of comments that were about to be sent; a cursor that was saved later says that they have arrived.
"""

import logging
from collections.abc import Collection, Sequence
from contextlib import suppress
from types import TracebackType
from typing import NamedTuple, Self

import msgspec
from kafka import KafkaProducer
from kafka.errors import KafkaTimeoutError

from streams.connection import clear_broker_errors, open_consumer, producer_options
from streams.partition_reader import partitions_of, read_stretch
from streams.settings_fields import Settings
from streams.topics import Topic, topic_name

__all__ = ["CursorLog", "SavedCursor", "read_cursors"]

_SEND_SECONDS = 45.0  # longer than the client takes to give a record up, so that its own error comes first
_CLOSE_SECONDS = 1.0
_SENDING = "#sending"  # no part of a key has this character

_logger = logging.getLogger(__name__)


class _Record(msgspec.Struct, frozen=True):
    """A value of the topic. saved_at: epoch ms."""

    saved_at: int
    cursor: msgspec.Raw = msgspec.Raw(b"null")
    sending: tuple[str, ...] = ()


class SavedCursor(NamedTuple):
    """What is known of a source. cursor: JSON, None if none was saved; sending: ids that may have arrived."""

    cursor: bytes | None = None
    sending: tuple[str, ...] = ()


def read_cursors(settings: Settings, keys: Collection[str]) -> dict[str, SavedCursor]:
    """What was saved last, by key.

    Raises BrokerError when the broker is down or lacks the topic.
    """
    found: dict[str, SavedCursor] = {}
    wanted = {f"{key}{end}".encode(): key for key in keys for end in ("", _SENDING)}
    with open_consumer(settings, auto_offset_reset="earliest") as consumer:
        place, *_ = partitions_of(consumer, settings, Topic.CURSORS)
        consumer.assign([place])
        end = consumer.end_offsets([place])[place]
        for record in read_stretch(consumer, place, 0, end):
            key = wanted.get(record.key or b"")
            if key is None:
                continue
            try:
                value = msgspec.json.decode(record.value or b"", type=_Record)
                known = found.get(key, SavedCursor())
                if (record.key or b"").endswith(_SENDING.encode()):
                    found[key] = known._replace(sending=value.sending)
                else:
                    found[key] = SavedCursor(bytes(value.cursor))
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

    def save(self, key: str, cursor: bytes, *, now_ms: int) -> None:
        """Return when the broker has a cursor. cursor: JSON."""
        self._write(key, _Record(now_ms, cursor=msgspec.Raw(cursor)))

    def announce(self, key: str, ids: Sequence[str], *, now_ms: int) -> None:
        """Return when the broker knows that these comments are about to be sent."""
        self._write(f"{key}{_SENDING}", _Record(now_ms, sending=tuple(ids)))

    def _write(self, key: str, record: _Record) -> None:
        with clear_broker_errors(self._settings):
            under_way = self._producer.send(
                self._topic, value=msgspec.json.encode(record), key=key.encode(), partition=0
            )
            under_way.get(timeout=_SEND_SECONDS)

    def close(self, timeout: float = _CLOSE_SECONDS) -> None:
        """Close the connection; what is under way after so many seconds is given up."""
        # It waits for each batch, and what it raises about one it has said before: to whoever sent that.
        with suppress(KafkaTimeoutError):
            self._producer.close(timeout=timeout)
