"""The part of aiokafka, which Faust rests on, that narrawatch names."""

from typing import NamedTuple

class TopicPartition(NamedTuple):
    topic: str
    partition: int
