"""The part of aiokafka, which Faust rests on, that narrawatch names."""

from asyncio import Future
from contextlib import AbstractAsyncContextManager
from typing import Any, NamedTuple

class TopicPartition(NamedTuple):
    topic: str
    partition: int

class AIOKafkaProducer:
    def __init__(self, **configs: Any) -> None: ...
    async def start(self) -> None: ...
    async def stop(self) -> None: ...
    async def send(
        self, topic: str, value: bytes | None = None, key: bytes | None = None, partition: int | None = None
    ) -> Future[object]: ...
    def transaction(self) -> AbstractAsyncContextManager[object]: ...
