"""Reads the topic of events as it is now, for commands that look back."""

import logging
from collections.abc import Iterator
from datetime import datetime

import msgspec

from streams.connection import open_consumer
from streams.partition_reader import assign_all, read_stretch
from streams.results import EventRecord
from streams.settings_fields import Settings
from streams.topics import Topic

__all__ = ["read_events"]

_logger = logging.getLogger(__name__)
_decoder = msgspec.json.Decoder(EventRecord)


def read_events(settings: Settings, since: datetime) -> Iterator[EventRecord]:
    """The events that happened since, those of a desk in order; a record that is no event is left out.

    After a crash of a worker the same event may be there twice. Raises BrokerError.
    """
    with open_consumer(settings, auto_offset_reset="earliest") as consumer:
        for place, end in assign_all(consumer, settings, Topic.EVENTS).items():
            for record in read_stretch(consumer, place, 0, end):
                event = _decoded(record.value or b"", f"{place.topic}[{place.partition}]@{record.offset}")
                if event is not None and event.at >= since:
                    yield event


def _decoded(raw: bytes, place: str) -> EventRecord | None:
    try:
        return _decoder.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        _logger.warning("%s is no event: %s", place, error)
        return None
