"""Reads a stretch of the topic `claims` apart from the group of workers: the memory of a restarted one."""

from collections.abc import Iterator
from typing import NamedTuple

from kafka import TopicPartition

from streams.connection import open_consumer
from streams.errors import BrokerError
from streams.settings_fields import Settings
from streams.topics import Topic, topic_name

__all__ = ["ClaimsRecord", "read_claims"]

_POLL_SECONDS = 1.0
_SILENT_POLLS = 30  # a broker that says nothing for so long will say nothing


class ClaimsRecord(NamedTuple):
    """A record of the topic `claims`. written_ms: when a worker sent it, epoch ms."""

    offset: int
    written_ms: int
    value: bytes


def read_claims(settings: Settings, partition: int, start: int, end: int) -> Iterator[ClaimsRecord]:
    """The records of a partition from offset `start` (or the first that is left) to before `end`.

    Raises BrokerError when the broker is down or does not deliver them.
    """
    place = TopicPartition(topic_name(settings, Topic.CLAIMS), partition)
    with open_consumer(settings, auto_offset_reset="earliest") as consumer:
        consumer.assign([place])
        position = max(start, consumer.beginning_offsets([place])[place])
        consumer.seek(place, position)
        silent = 0
        while position < end:
            records = consumer.poll(timeout_ms=_POLL_SECONDS * 1000).get(place, [])
            for record in records:
                if record.offset >= end:
                    return
                if record.offset >= position:
                    yield ClaimsRecord(record.offset, record.timestamp, record.value or b"")
            # The last offsets may hold no record: what counts is where the consumer is.
            position = max(position, consumer.position(place))
            silent = 0 if records else silent + 1
            if silent >= _SILENT_POLLS:
                raise BrokerError(
                    f"the broker does not deliver {place.topic}[{place.partition}] from offset {position}"
                )
