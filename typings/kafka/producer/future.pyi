from collections.abc import Callable
from typing import NamedTuple, Self

from kafka import TopicPartition

class RecordMetadata(NamedTuple):
    topic: str
    partition: int
    topic_partition: TopicPartition
    offset: int
    timestamp: int

class FutureRecordMetadata:
    is_done: bool
    exception: BaseException | None
    def get(self, timeout: float | None = None) -> RecordMetadata: ...
    def add_callback(self, function: Callable[[RecordMetadata], object], /) -> Self: ...
    def add_errback(self, function: Callable[[BaseException], object], /) -> Self: ...
