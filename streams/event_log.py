"""Reads the topic of events as it is now, for commands that look back."""

import logging
from collections.abc import Iterator
from datetime import datetime

import msgspec
from kafka import TopicPartition

from streams.connection import open_consumer
from streams.errors import BrokerError
from streams.partition_reader import read_stretch
from streams.results import EventRecord
from streams.settings_fields import Settings
from streams.topics import Topic, topic_name

__all__ = ["read_events"]

_logger = logging.getLogger(__name__)
_decoder = msgspec.json.Decoder(EventRecord)


def read_events(settings: Settings, since: datetime) -> Iterator[EventRecord]:
    """The events that happened since, those of a desk in order; a record that is no event is left out.

    After a crash of a worker the same event may be there twice. Raises BrokerError.
    """
    name = topic_name(settings, Topic.EVENTS)
    with open_consumer(settings, auto_offset_reset="earliest") as consumer:
        partitions = consumer.partitions_for_topic(name)
        if not partitions:
            raise BrokerError(
                f"the broker at {settings.kafka_bootstrap} lacks the topic {name}:"
                " run narrawatch topics create"
            )
        places = [TopicPartition(name, number) for number in sorted(partitions)]
        consumer.assign(places)
        ends = consumer.end_offsets(places)
        for place in places:
            for record in read_stretch(consumer, place, 0, ends[place]):
                event = _decoded(record.value or b"", f"{name}[{place.partition}]@{record.offset}")
                if event is not None and event.at >= since:
                    yield event


def _decoded(raw: bytes, place: str) -> EventRecord | None:
    try:
        return _decoder.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        _logger.warning("%s is no event: %s", place, error)
        return None
