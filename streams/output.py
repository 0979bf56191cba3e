"""A record on its way to a topic; `streams.outlets` delivers it."""

from typing import NamedTuple

from streams.topics import Topic

__all__ = ["Output"]


class Output(NamedTuple):
    """A record on its way. smaller: what to send instead when the broker finds the value too large."""

    topic: Topic
    key: bytes | None
    value: bytes
    smaller: bytes | None = None
