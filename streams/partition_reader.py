"""Reads a known stretch of one partition, to its end and no further."""

from collections.abc import Iterator

from kafka import KafkaConsumer, TopicPartition
from kafka.consumer.fetcher import ConsumerRecord

from streams.errors import BrokerError

__all__ = ["read_stretch"]

_POLL_SECONDS = 1.0
_SILENT_POLLS = 30  # a broker that says nothing for so long will say nothing


def read_stretch(
    consumer: KafkaConsumer, place: TopicPartition, start: int, end: int
) -> Iterator[ConsumerRecord]:
    """The records of a partition from offset `start` (or the first that is left) to before `end`.

    consumer: has the partition assigned. Raises BrokerError when the broker does not deliver them.
    """
    position = max(start, consumer.beginning_offsets([place])[place])
    consumer.seek(place, position)
    silent = 0
    while position < end:
        records = consumer.poll(timeout_ms=_POLL_SECONDS * 1000).get(place, [])
        for record in records:
            if record.offset >= end:
                return
            if record.offset >= position:
                yield record
        # The last offsets may hold no record: what counts is where the consumer is.
        position = max(position, consumer.position(place))
        silent = 0 if records else silent + 1
        if silent >= _SILENT_POLLS:
            raise BrokerError(
                f"the broker does not deliver {place.topic}[{place.partition}] from offset {position}"
            )
