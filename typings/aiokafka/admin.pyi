from collections.abc import Sequence
from typing import Any, NamedTuple

from aiokafka import TopicPartition

class OffsetAndMetadata(NamedTuple):
    offset: int
    metadata: str

class AIOKafkaAdminClient:
    def __init__(self, **configs: Any) -> None: ...
    async def start(self) -> None: ...
    async def close(self) -> None: ...
    async def list_consumer_group_offsets(
        self, group_id: str, *, partitions: Sequence[TopicPartition] | None = None
    ) -> dict[TopicPartition, OffsetAndMetadata]: ...
