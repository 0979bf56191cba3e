"""The partitions of a topic, and a known stretch of one, read to its end and no further."""

from collections.abc import Iterator

from kafka import KafkaConsumer, TopicPartition
from kafka.consumer.fetcher import ConsumerRecord

from streams.errors import BrokerError
from streams.settings_fields import Settings
from streams.topics import Topic, topic_name

__all__ = ["assign_all", "lacking", "partitions_of", "read_stretch"]

_POLL_SECONDS = 1.0
_SILENT_POLLS = 30  # a broker that says nothing for so long will say nothing


def partitions_of(consumer: KafkaConsumer, settings: Settings, topic: Topic) -> list[TopicPartition]:
    """The partitions of one of our topics, in order.  Raises BrokerError when the broker lacks it."""
    name = topic_name(settings, topic)
    numbers = consumer.partitions_for_topic(name)
    if not numbers:
        raise lacking(settings, name)
    return [TopicPartition(name, number) for number in sorted(numbers)]


def lacking(settings: Settings, name: str) -> BrokerError:
    """The error of a topic that the broker lacks."""
    return BrokerError(
        f"the broker at {settings.kafka_bootstrap} lacks the topic {name}: run narrawatch topics create"
    )


def assign_all(consumer: KafkaConsumer, settings: Settings, topic: Topic) -> dict[TopicPartition, int]:
    """Give a consumer all partitions of a topic; returns where each ends now.  Raises BrokerError."""
    places = partitions_of(consumer, settings, topic)
    consumer.assign(places)
    ends: dict[TopicPartition, int] = consumer.end_offsets(places)
    return ends


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
