"""Reads a stretch of the topic `claims` apart from the group of workers: the memory of a restarted one."""

from collections.abc import Iterator
from typing import NamedTuple

from kafka import TopicPartition

from streams.connection import open_consumer
from streams.partition_reader import read_stretch
from streams.settings_fields import Settings
from streams.topics import Topic, topic_name

__all__ = ["ClaimsRecord", "read_claims"]


class ClaimsRecord(NamedTuple):
    """A record of the topic `claims`. written_ms: when a worker sent it, epoch ms."""

    offset: int
    written_ms: int
    value: bytes
    key: bytes | None = None


def read_claims(settings: Settings, partition: int, start: int, end: int) -> Iterator[ClaimsRecord]:
    """The records of a partition from offset `start` (or the first that is left) to before `end`.

    Raises BrokerError when the broker is down or does not deliver them.
    """
    place = TopicPartition(topic_name(settings, Topic.CLAIMS), partition)
    with open_consumer(settings, auto_offset_reset="earliest") as consumer:
        consumer.assign([place])
        for record in read_stretch(consumer, place, start, end):
            yield ClaimsRecord(record.offset, record.timestamp, record.value or b"", record.key)
