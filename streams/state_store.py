"""Keeps the state of shards in a compacted topic, so that any worker can go on with it, from an empty disk.

Problem: the narratives of months cannot be found again by reading the claims of a week, and an identity must
survive the worker that gave it. Aims: nothing is lost or counted twice when a worker dies at any moment; a
restart takes seconds; what is written is bounded by what has changed. Choice, over Faust's tables (their
recovery has open faults, and they are written record by record, not at a consistent moment) and over files (a
partition moves to workers on other machines):

- Now and then, after the results of some records have been delivered, all that has changed is written in one
  transaction: readers see the whole of it, or nothing.
- The worker that takes a partition over opens a producer under the partition's own transactional id. From
  then on the broker refuses one that only believes it has the partition ("fenced").
- The saved state says up to which claims it goes; from there on claims are read again.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka import TopicPartition as AsyncPartition
from aiokafka.errors import KafkaError
from kafka import TopicPartition

from models.snapshot import Packed
from streams.connection import async_client_options, open_consumer
from streams.errors import BrokerError
from streams.settings_fields import Settings
from streams.shard_state import PieceName, Pieces, assemble, changed_records
from streams.topics import Topic, topic_name

__all__ = ["StateStore"]

_OPEN_SECONDS = 60.0  # after a crash the broker first has to end what was left open
_SAVE_SECONDS = 60.0
_CLOSE_SECONDS = 5.0
_TRANSACTION_MS = 60_000
_BATCH_BYTES = 1_000_000
_FETCH_BYTES = 32 * 1024 * 1024
_POLL_MS = 1_000
_SILENT_POLLS = 30  # a broker that says nothing for so long will say nothing

_logger = logging.getLogger(__name__)


class StateStore:
    """The state of the partitions of claims that this worker has. All on one event loop, but for `read`."""

    def __init__(self, settings: Settings, model: Callable[[], str]) -> None:
        """Open nothing yet. model: whose vectors it is of; may wait for a model that is being loaded."""
        self._settings = settings
        self._model = model
        self.save_seconds = settings.save_seconds
        self._topic = topic_name(settings, Topic.STATE)
        self._producers: dict[int, AIOKafkaProducer] = {}
        self._keys: dict[int, set[bytes]] = {}  # of the records that are saved

    @property
    def model(self) -> str:
        """Whose vectors it is of."""
        return self._model()

    async def take(self, partition: int) -> None:
        """Take a partition over; whoever had it before cannot save any more.  Raises BrokerError."""
        await self.release(partition)
        producer = AIOKafkaProducer(
            **async_client_options(self._settings),
            transactional_id=f"{self._settings.app_id}-{self._topic}-{partition}",
            transaction_timeout_ms=_TRANSACTION_MS,
            max_batch_size=_BATCH_BYTES,
            max_request_size=2 * _BATCH_BYTES,
        )
        try:
            async with asyncio.timeout(_OPEN_SECONDS):
                await producer.start()
        except (KafkaError, TimeoutError) as error:
            await _close(producer)
            raise BrokerError(
                f"the state of {self._where(partition)} cannot be taken over: {error}"
            ) from error
        self._producers[partition] = producer

    def read(self, partition: int) -> dict[PieceName, Packed]:
        """What was saved last, or nothing; takes seconds. Call it in a thread, after `take`.

        Raises BrokerError, and SnapshotError when the topic holds something else.
        """
        try:
            last = asyncio.run(self._read(AsyncPartition(self._topic, partition)))
        except KafkaError as error:
            raise BrokerError(
                f"the state of {self._where(partition)} cannot be read: {type(error).__name__}: {error}"
            ) from error
        self._keys[partition] = set(last)  # also of what is refused: it is to be replaced
        return assemble(last)

    async def _read(self, place: AsyncPartition) -> dict[bytes, bytes]:
        """The last value of each key. By aiokafka, which takes in hundreds of megabytes faster."""
        last: dict[bytes, bytes] = {}
        async with AIOKafkaConsumer(
            **async_client_options(self._settings),
            group_id=None,
            enable_auto_commit=False,
            isolation_level="read_committed",
            max_partition_fetch_bytes=_FETCH_BYTES,
            fetch_max_bytes=_FETCH_BYTES,
        ) as consumer:
            consumer.assign([place])
            position = (await consumer.beginning_offsets([place]))[place]
            end = (await consumer.end_offsets([place]))[place]
            consumer.seek(place, position)
            silent = 0
            while position < end:
                records = (await consumer.getmany(place, timeout_ms=_POLL_MS)).get(place, [])
                for record in records:
                    if record.key is not None and record.value is not None:
                        last[record.key] = record.value
                    elif record.key is not None:
                        last.pop(record.key, None)
                # The last offsets may hold no record: what counts is where the consumer is.
                position = max(position, await consumer.position(place))
                silent = 0 if records else silent + 1
                if silent >= _SILENT_POLLS:
                    raise BrokerError(
                        f"the broker does not deliver {self._where(place.partition)} from {position}"
                    )
        return last

    def claims_end(self, partition: int) -> int:
        """The offset after the last of the claims.  Raises BrokerError."""
        place = TopicPartition(topic_name(self._settings, Topic.CLAIMS), partition)
        with open_consumer(self._settings) as consumer:
            consumer.assign([place])
            return consumer.end_offsets([place])[place]

    async def save(
        self, partition: int, pieces: Pieces, dropped: Iterable[PieceName], *, everything: bool = False
    ) -> None:
        """Replace some pieces and drop others, together; everything: drop whatever is not among the pieces.

        Raises BrokerError when another worker has the partition now, or the broker refuses or is slow; then
        it is not known whether it is saved, and `take` and `read` must come first.
        """
        producer = self._producers[partition]
        known = self._keys.setdefault(partition, set())
        records = changed_records(pieces, dropped, known, everything=everything)
        try:
            async with asyncio.timeout(_SAVE_SECONDS), producer.transaction():
                sent = [
                    await producer.send(self._topic, value, key=key, partition=partition)
                    for key, value in records.items()
                ]
                await asyncio.gather(*sent)
        except (KafkaError, TimeoutError) as error:
            raise BrokerError(
                f"the state of {self._where(partition)} cannot be saved: {type(error).__name__}: {error}"
            ) from error
        for key, value in records.items():
            if value is None:
                known.discard(key)
            else:
                known.add(key)

    async def release(self, partition: int) -> None:
        """Let a partition go; safe for one that is not held."""
        self._keys.pop(partition, None)
        producer = self._producers.pop(partition, None)
        if producer is not None:
            await _close(producer)

    async def close(self) -> None:
        """Let all go."""
        for partition in list(self._producers):
            await self.release(partition)

    def _where(self, partition: int) -> str:
        return f"{self._topic}[{partition}]"


async def _close(producer: AIOKafkaProducer) -> None:
    try:
        async with asyncio.timeout(_CLOSE_SECONDS):
            await producer.stop()
    except (KafkaError, TimeoutError) as error:
        _logger.debug("a producer of state did not end well: %s", error)
