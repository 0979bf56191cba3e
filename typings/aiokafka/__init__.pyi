"""The part of aiokafka, which Faust rests on, that narrawatch names."""

from asyncio import Future
from collections.abc import Iterable
from contextlib import AbstractAsyncContextManager
from typing import Any, NamedTuple

class TopicPartition(NamedTuple):
    topic: str
    partition: int

class ConsumerRecord:
    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None

class AIOKafkaConsumer:
    def __init__(self, *topics: str, **configs: Any) -> None: ...
    async def start(self) -> None: ...
    async def stop(self) -> None: ...
    def assign(self, partitions: Iterable[TopicPartition]) -> None: ...
    def seek(self, partition: TopicPartition, offset: int) -> None: ...
    async def getmany(
        self, *partitions: TopicPartition, timeout_ms: int = 0, max_records: int | None = None
    ) -> dict[TopicPartition, list[ConsumerRecord]]: ...

class AIOKafkaProducer:
    def __init__(self, **configs: Any) -> None: ...
    async def start(self) -> None: ...
    async def stop(self) -> None: ...
    async def send(
        self, topic: str, value: bytes | None = None, key: bytes | None = None, partition: int | None = None
    ) -> Future[object]: ...
    def transaction(self) -> AbstractAsyncContextManager[object]: ...
