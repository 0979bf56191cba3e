"""Keeps the read model up to date with the topics, in a thread of its own.

It joins no group: every page reads all partitions, and how far it has read is in its own file, written in one
transaction with the rows that came of it. A page that was killed goes on where its file is; one whose file is
gone, or of other topics, begins anew.
"""

import logging
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from threading import Event, Thread
from typing import Final

from kafka import KafkaConsumer
from kafka.consumer.fetcher import ConsumerRecord

from streams.connection import ask_admin, open_consumer
from streams.errors import BrokerError, RejectedComment, RejectReason
from streams.partition_reader import lacking, partitions_of
from streams.results import decode_narrative
from streams.settings_fields import Settings
from streams.topics import Topic, topic_name
from streams.watch_topic import StoredWatches
from streams.web.intake import Bounds, take_event, take_match, take_mention, take_narrative, take_watch, trim
from streams.web.lines import decode_event, decode_match, decode_mention
from streams.web.metrics import WebMetrics
from streams.web.progress import Progress
from streams.web.store import Store

__all__ = ["TopicReader"]

_POLL_SECONDS = 0.5
_MAX_RECORDS = 2_000  # a transaction
_PAUSE_SECONDS = 3.0  # before a broker that was away is asked again
_LOOK_AROUND_POLLS = 60  # so often it looks for new partitions
_MEASURE_POLLS = 4
_TRIM_RECORDS = 20_000
_LOGGED_REFUSALS = 20  # the rest is counted: a stream of garbage must not fill the log

_logger = logging.getLogger(__name__)


class TopicReader(Thread):
    """Reads from `start` until `close`. A broker that is away is waited for."""

    def __init__(self, store: Store, settings: Settings, progress: Progress, metrics: WebMetrics) -> None:
        super().__init__(name="web-topic-reader", daemon=True)
        self._store = store
        self._settings = settings
        self._progress = progress
        self._metrics = metrics
        metrics.reads(_TAKERS)
        self._bounds = Bounds(days=settings.web_history_days, mentions=settings.web_max_mentions)
        self._ending = Event()
        self._untrimmed = 0

    def close(self) -> None:
        """End it; returns when it has."""
        self._ending.set()
        self.join()

    def run(self) -> None:
        """See `Thread`."""
        while not self._ending.is_set():
            try:
                self._read()
            except BrokerError as error:
                _logger.warning("%s: waiting for it", error)
                self._progress.trouble(str(error))
                self._ending.wait(_PAUSE_SECONDS)
            except Exception as error:
                self._progress.died(
                    f"reading has ended: {type(error).__name__}: {error} ({self._store.path})"
                )
                raise

    def _read(self) -> None:
        names = {topic_name(self._settings, topic): topic for topic in _TAKERS}
        if self._is_foreign(names):
            self._begin_anew(names)
        with open_consumer(self._settings, auto_offset_reset="earliest") as consumer:
            polls = 0
            while not self._ending.is_set():
                if polls % _LOOK_AROUND_POLLS == 0:
                    if self._is_foreign(names):
                        return  # the topics were made anew while they were read
                    self._assign(consumer, names)
                batch = consumer.poll(timeout_ms=_POLL_SECONDS * 1000, max_records=_MAX_RECORDS)
                records = [record for part in batch.values() for record in part]
                if records:
                    self._take(names, records)
                if polls % _MEASURE_POLLS == 0 or records:
                    self._tell_unread(names, consumer)
                polls += 1

    def _is_foreign(self, names: Iterable[str]) -> bool:
        """Whether what was read came from other topics than are there now under the same names."""
        with self._store.reading() as connection:
            row = connection.execute("SELECT value FROM facts WHERE name = 'topics'").fetchone()
        return row is None or row["value"] != self._identity(names)

    def _begin_anew(self, names: Iterable[str]) -> None:
        identity = self._identity(names)
        self._store.clear()
        with self._store.writing() as connection:
            connection.execute("INSERT INTO facts (name, value) VALUES ('topics', ?)", (identity,))

    def _identity(self, names: Iterable[str]) -> str:
        """The ids that the broker gave the topics; a topic that is deleted and made again has another.

        Raises BrokerError when one is missing: an identity that changes as topics are made is none.
        """
        described = ask_admin(self._settings, lambda admin: admin.describe_topics(sorted(names)))
        for topic in described:
            if topic["error_code"] or not topic["partitions"]:
                raise lacking(self._settings, topic["name"])
        return ",".join(sorted(f"{topic['name']}={topic['topic_id']}" for topic in described))

    def _assign(self, consumer: KafkaConsumer, names: Mapping[str, Topic]) -> None:
        places = []
        for topic in names.values():
            places += partitions_of(consumer, self._settings, topic)
        if set(places) == consumer.assignment():
            return
        consumer.assign(places)
        with self._store.reading() as connection:
            read = {
                (row["topic"], row["partition"]): row["next_offset"]
                for row in connection.execute("SELECT * FROM places")
            }
        for place in places:
            offset = read.get((place.topic, place.partition))
            if offset is None:
                consumer.seek_to_beginning(place)
            else:
                consumer.seek(place, offset)

    def _take(self, names: Mapping[str, Topic], records: Sequence[ConsumerRecord]) -> None:
        with self._store.writing() as connection:
            for record in records:
                try:
                    _TAKERS[names[record.topic]](connection, record)
                except RejectedComment as rejection:
                    self._pass_over(names[record.topic], record, rejection)
            connection.executemany(
                "INSERT OR REPLACE INTO places (topic, partition, next_offset) VALUES (?, ?, ?)",
                [(record.topic, record.partition, record.offset + 1) for record in records],
            )
            self._untrimmed += len(records)
            if self._untrimmed >= _TRIM_RECORDS:
                trim(connection, self._bounds)
                self._untrimmed = 0
        for name, count in Counter(record.topic for record in records).items():
            self._metrics.read(names[name], count)

    def _tell_unread(self, names: Mapping[str, Topic], consumer: KafkaConsumer) -> None:
        unread = _unread(consumer)
        self._progress.answered(sum(unread.values()))
        self._metrics.unread({topic: unread.get(name, 0) for name, topic in names.items()})

    def _pass_over(self, topic: Topic, record: ConsumerRecord, rejection: RejectedComment) -> None:
        self._metrics.refused(topic)
        if self._progress.refused() <= _LOGGED_REFUSALS:
            place = f"{record.topic}[{record.partition}]@{record.offset}"
            _logger.warning("%s is passed over: %s", place, rejection.detail)


def _narrative(connection: sqlite3.Connection, record: ConsumerRecord) -> None:
    if record.value is not None:  # None: deleted by an operator
        take_narrative(connection, decode_narrative(record.value))


def _mention(connection: sqlite3.Connection, record: ConsumerRecord) -> None:
    take_mention(connection, decode_mention(record.value or b""), record.offset)


def _event(connection: sqlite3.Connection, record: ConsumerRecord) -> None:
    take_event(connection, decode_event(record.value or b""))


def _watch(connection: sqlite3.Connection, record: ConsumerRecord) -> None:
    stored = StoredWatches().after(record.offset, record.key, record.value)
    if stored.foreign or record.key is None:
        raise RejectedComment(RejectReason.INVALID_RECORD, "not a watch")
    name = record.key.decode()
    take_watch(connection, name, stored.watches.get(name))


def _match(connection: sqlite3.Connection, record: ConsumerRecord) -> None:
    take_match(connection, decode_match(record.value or b""))


_TAKERS: Final[Mapping[Topic, Callable[[sqlite3.Connection, ConsumerRecord], None]]] = {
    Topic.NARRATIVES: _narrative,
    Topic.MENTIONS: _mention,
    Topic.EVENTS: _event,
    Topic.WATCHES: _watch,
    Topic.WATCH_MATCHES: _match,
}


def _unread(consumer: KafkaConsumer) -> Counter[str]:
    """Records by the name of their topic."""
    places = consumer.assignment()
    ends = consumer.end_offsets(places)
    unread = Counter[str]()
    for place in places:
        unread[place.topic] += max(0, ends[place] - consumer.position(place))
    return unread
