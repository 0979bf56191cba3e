"""The narratives as they are now, read from the compacted topic, for whoever wants to quote one.

With each that spikes goes what was written in the burst, which its event quotes: a narrative's own quotes
may be of weeks before. Bounded: of more than `MAX_NARRATIVES` those that changed longest ago are forgotten,
and an alert on one of them would come without quotes. What is kept are the records as they came, and not
what they say.
"""

import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from threading import Condition, Event, Thread

import msgspec
from kafka import KafkaConsumer, TopicPartition

from models.outcome import EventType, Quote
from streams.connection import open_consumer
from streams.errors import BrokerError, RejectedComment
from streams.partition_reader import partitions_of
from streams.results import EventRecord, MergedNarrative, NarrativeRecord, decode_narrative, narrative_key
from streams.settings_fields import Settings
from streams.topics import Topic, topic_name

__all__ = ["BURST_SECONDS", "MAX_NARRATIVES", "NarrativeBook", "follow_narratives"]

MAX_NARRATIVES = 20_000  # of some kilobytes each
_MAX_BURSTS = 2_000
BURST_SECONDS = 86_400.0  # for so long a burst is what a spike is about
_MAX_MERGES = 100  # one after the other, before something must be wrong
_POLL_MS = 500
_RETRY_SECONDS = 5.0

_logger = logging.getLogger(__name__)
_event_decoder = msgspec.json.Decoder(EventRecord)


class NarrativeBook:
    """For several threads: one writes, others look narratives up."""

    def __init__(self, limit: int = MAX_NARRATIVES) -> None:
        self._limit = limit
        self._records: OrderedDict[bytes, bytes] = OrderedDict()
        self._bursts: OrderedDict[bytes, tuple[float, bytes]] = OrderedDict()  # when it was told, the event
        self._changed = Condition()
        self._is_current = False

    @property
    def is_current(self) -> bool:
        """Whether all that was in the topic at the start has been read."""
        return self._is_current

    def current(self) -> None:
        """It has been."""
        with self._changed:
            self._is_current = True
            self._changed.notify_all()

    def take(self, key: bytes, value: bytes | None) -> None:
        """A record of the topic. value: None where the narrative is gone."""
        with self._changed:
            self._records.pop(key, None)
            if value is not None:
                self._records[key] = value
            while len(self._records) > self._limit:
                self._records.popitem(last=False)
            self._changed.notify_all()

    def heard(self, value: bytes | None, at: float) -> None:
        """A record of the topic of events. at: when it was written, seconds since 1970."""
        try:
            event = _event_decoder.decode(value or b"")
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            _logger.warning("a record of an event cannot be read: %s", error)
            return
        if event.type is not EventType.SPIKING or value is None:
            return
        with self._changed:
            key = narrative_key(event.desk, event.narrative_id)
            self._bursts.pop(key, None)
            self._bursts[key] = (at, value)
            while len(self._bursts) > _MAX_BURSTS:
                self._bursts.popitem(last=False)

    def burst(self, desk: str, narrative_id: str, now: float) -> list[Quote]:
        """What was written when it last spiked, if that was told within BURST_SECONDS before now."""
        with self._changed:
            at, value = self._bursts.get(narrative_key(desk, narrative_id), (float("-inf"), b""))
        return [] if now - at > BURST_SECONDS else list(_event_decoder.decode(value).narrative.quotes)

    def find(self, desk: str, narrative_id: str, *, wait_seconds: float = 0.0) -> NarrativeRecord | None:
        """The narrative, or the one that it lives on in; None if it is not known after so many seconds.

        An alert may be faster than the record of the narrative that it is about.
        """
        deadline = time.monotonic() + wait_seconds
        with self._changed:
            while (found := self._look_up(desk, narrative_id)) is None:
                left = deadline - time.monotonic()
                if left <= 0 or not self._changed.wait(left):
                    return self._look_up(desk, narrative_id)
            return found

    def _look_up(self, desk: str, narrative_id: str) -> NarrativeRecord | None:
        for _ in range(_MAX_MERGES):
            raw = self._records.get(narrative_key(desk, narrative_id))
            if raw is None:
                return None
            try:
                record = decode_narrative(raw)
            except RejectedComment as error:
                _logger.warning("a record of a narrative cannot be read: %s", error)
                return None
            if not isinstance(record, MergedNarrative):
                return record
            narrative_id = record.into
        return None


def follow_narratives(settings: Settings, book: NarrativeBook, stop: Event) -> Thread:
    """Fill the book, and keep it current until `stop` is set, in a thread that is started here.

    A broker that is away is waited for.
    """

    def follow() -> None:
        while not stop.is_set():
            try:
                with open_consumer(settings, auto_offset_reset="earliest") as consumer:
                    _read(consumer, settings, book, stop.is_set)
            except BrokerError as error:
                _logger.warning("%s: narratives are read again in %g s", error, _RETRY_SECONDS)
                stop.wait(_RETRY_SECONDS)

    thread = Thread(target=follow, name="narratives", daemon=True)
    thread.start()
    return thread


def _read(
    consumer: KafkaConsumer, settings: Settings, book: NarrativeBook, is_over: Callable[[], bool]
) -> None:
    """All narratives, and the events of the last while."""
    narratives, events = (
        partitions_of(consumer, settings, topic) for topic in (Topic.NARRATIVES, Topic.EVENTS)
    )
    consumer.assign([*narratives, *events])
    ends = consumer.end_offsets([*narratives, *events])
    consumer.seek_to_beginning(*narratives)
    _seek_to_time(consumer, events, ends, time.time() - BURST_SECONDS)
    spoken_of = topic_name(settings, Topic.EVENTS)
    while not is_over():
        for records in consumer.poll(timeout_ms=_POLL_MS).values():
            for record in records:
                if record.topic == spoken_of:
                    book.heard(record.value, record.timestamp / 1000)
                elif record.key is not None:
                    book.take(record.key, record.value)
        if not book.is_current and all(consumer.position(place) >= end for place, end in ends.items()):
            book.current()


def _seek_to_time(
    consumer: KafkaConsumer,
    places: Sequence[TopicPartition],
    ends: Mapping[TopicPartition, int],
    since: float,
) -> None:
    """To the first records that were written at a time, seconds since 1970, or later."""
    found = consumer.offsets_for_times(dict.fromkeys(places, round(since * 1000)))
    for place in places:
        first = found.get(place)
        consumer.seek(place, ends[place] if first is None else first.offset)
