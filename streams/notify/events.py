"""Reads the topic of events and tells the receivers: each event at least once, however often this is stopped.

A group of consumers shares the work; its place moves on when an event is delivered, or given up and kept as a
dead letter. The first time it begins at the end of the topic: a year of old news helps nobody.
"""

import logging
from datetime import UTC, datetime
from threading import Event

import msgspec
from kafka import KafkaConsumer, KafkaProducer, OffsetAndMetadata, TopicPartition
from kafka.consumer.fetcher import ConsumerRecord

from streams.connection import clear_broker_errors, open_consumer, producer_options
from streams.errors import RejectedComment, RejectReason
from streams.notify.dispatcher import Dispatcher, Result
from streams.notify.metrics import Fate
from streams.notify.notification import from_event
from streams.partition_reader import partitions_of
from streams.records import dead_letter, encode_dead_letter
from streams.results import EventRecord
from streams.settings_fields import Settings
from streams.topics import Topic, topic_name

__all__ = ["EventReader", "group_of"]

_POLL_MS = 500
# Between two polls lie all attempts for one event, to all receivers in parallel.
_MAX_POLL_INTERVAL_MS = 600_000
# How long one that was killed is waited for, as with workers.
_SESSION_TIMEOUT_MS = 10_000
_HEARTBEAT_MS = 3_000
_CONFIRM_SECONDS = 45.0

_logger = logging.getLogger(__name__)
_decoder = msgspec.json.Decoder(EventRecord)


def group_of(settings: Settings) -> str:
    """The group of consumers that notifiers share."""
    return f"{settings.app_id}-notify"


class EventReader:
    """One notifier. on_ready: called when it has its place in the topic."""

    def __init__(self, settings: Settings, dispatcher: Dispatcher, stop: Event) -> None:
        self._settings = settings
        self._dispatcher = dispatcher
        self._stop = stop
        self._topic = topic_name(settings, Topic.EVENTS)

    def run(self) -> None:
        """Deliver events until `stop` is set.  Raises BrokerError."""
        with open_consumer(
            self._settings,
            group_id=group_of(self._settings),
            auto_offset_reset="latest",
            max_poll_records=1,
            max_poll_interval_ms=_MAX_POLL_INTERVAL_MS,
            session_timeout_ms=_SESSION_TIMEOUT_MS,
            heartbeat_interval_ms=_HEARTBEAT_MS,
        ) as consumer:
            partitions_of(consumer, self._settings, Topic.EVENTS)  # or an error: it may be missing
            consumer.subscribe([self._topic])
            begun: set[TopicPartition] = set()
            while not self._stop.is_set():
                polled = consumer.poll(timeout_ms=_POLL_MS)
                begun = self._begin(consumer, begun)
                for place, records in polled.items():
                    for record in records:
                        if not self._take(record):
                            return  # stopped in the middle of it: it comes again
                        _commit(consumer, place, record.offset + 1)

    def _begin(self, consumer: KafkaConsumer, begun: set[TopicPartition]) -> set[TopicPartition]:
        """Commit where it begins: what comes until the first delivery must not be lost with a crash."""
        assigned = consumer.assignment()
        for place in assigned - begun:
            if consumer.committed(place) is None:
                _commit(consumer, place, consumer.position(place))
            _logger.info("events are read from %s[%d]@%d", *place, consumer.position(place))
        return assigned

    def _take(self, record: ConsumerRecord) -> bool:
        """Tell of one event; False when that was not finished."""
        try:
            event = _decoder.decode(record.value or b"")
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            _logger.warning("what stands at %s[%d]@%d is no event", *_place(record))
            self._put_aside(record, RejectReason.INVALID_RECORD, f"not an event: {error}")
            return True
        results = self._dispatcher.send(from_event(event, self._settings.web_url))
        if any(result.fate is Fate.POSTPONED for result in results):
            return False
        for result in results:
            if result.fate is Fate.GIVEN_UP:
                self._put_aside(record, RejectReason.FAILED, _why(result))
        return True

    def _put_aside(self, record: ConsumerRecord, reason: RejectReason, detail: str) -> None:
        rejection = RejectedComment(reason, detail).at(*_place(record))
        letter = dead_letter(record.value or b"", rejection, at=datetime.now(UTC), key=record.key)
        with clear_broker_errors(self._settings):
            producer = KafkaProducer(**producer_options(self._settings))
            try:
                topic = topic_name(self._settings, Topic.DEAD_LETTERS)
                producer.send(topic, encode_dead_letter(letter)).get(timeout=_CONFIRM_SECONDS)
            finally:
                producer.close(timeout=1.0)


def _commit(consumer: KafkaConsumer, place: TopicPartition, offset: int) -> None:
    consumer.commit({place: OffsetAndMetadata(offset, "", -1)})


def _place(record: ConsumerRecord) -> tuple[str, int, int]:
    return record.topic, record.partition, record.offset


def _why(result: Result) -> str:
    return f"notification to {result.receiver}: {result.detail}"
