"""The topics as one typed table, and how they are made and looked at.

Topics are made here with explicit partitions and never by accident: every client has automatic creation
off. Faust's own changelogs are Faust's matter.
"""

import logging
from enum import StrEnum
from typing import Literal, NamedTuple

from kafka.errors import for_code

from streams.connection import ask_admin
from streams.errors import BrokerError
from streams.records import MAX_LETTER_BYTES, MAX_RECORD_BYTES
from streams.settings_fields import Settings

__all__ = ["TOPICS", "Topic", "TopicSpec", "TopicState", "create_topics", "describe_topics", "topic_name"]

_ALREADY_EXISTS = 36  # Kafka's TOPIC_ALREADY_EXISTS
_SAFE_REPLICATION = 3  # from here on a write is to be on two replicas before it counts
_DAY_MS = 86_400_000

_logger = logging.getLogger(__name__)


class Topic(StrEnum):
    """The topics by role; `topic_name` gives the name with the prefix of the settings."""

    COMMENTS = "comments"
    CLAIMS = "claims"
    MENTIONS = "mentions"
    NARRATIVES = "narratives"
    EVENTS = "events"
    DEAD_LETTERS = "dead-letters"
    STATE = "state"
    WATCHES = "watches"
    WATCH_MATCHES = "watch-matches"
    CURSORS = "cursors"


class TopicSpec(NamedTuple):
    """How a topic is made. retention_days: None keeps the last record of each key for ever (compacted)."""

    topic: Topic
    partitions: Literal["scaled", "one"]  # "scaled": the setting `partitions`
    retention_days: int | None
    holds: str
    max_record_bytes: int | None = None  # None: the broker's own limit
    further: tuple[tuple[str, str], ...] = ()  # configuration that only this topic needs
    broker_time: bool = False  # records bear the broker's time of arrival, whatever the producer says


# A segment that is being written is not compacted: with the broker's 1 GiB whoever starts would have to read
# all that was written in it.
_OFTEN_COMPACTED = (
    ("segment.bytes", str(64 * 1024 * 1024)),
    ("segment.ms", str(_DAY_MS // 24)),
    ("min.cleanable.dirty.ratio", "0.2"),
    ("delete.retention.ms", str(_DAY_MS // 24)),
)

TOPICS: tuple[TopicSpec, ...] = (
    # Authors by name: kept only as long as a worker may have to read again.
    TopicSpec(
        Topic.COMMENTS,
        "scaled",
        7,
        "comments as they arrive, key source:id",
        max_record_bytes=MAX_RECORD_BYTES,
        broker_time=True,
    ),
    TopicSpec(
        Topic.CLAIMS,
        "scaled",
        7,
        "the claims of a comment with their vectors, key desk",
        max_record_bytes=MAX_RECORD_BYTES,
        # The order in which claims are told depends on when they were written: one clock for all of them.
        broker_time=True,
    ),
    TopicSpec(Topic.MENTIONS, "scaled", 90, "who made or rebutted which narrative, key desk"),
    # One partition each: few records, and whoever reads them wants them in order.
    TopicSpec(Topic.NARRATIVES, "one", None, "the last state of each narrative, key desk:narrative"),
    TopicSpec(Topic.EVENTS, "one", 365, "emerged, spiking, faded, merged, key desk"),
    TopicSpec(
        Topic.DEAD_LETTERS,
        "one",
        30,
        "records put aside, with bytes, place and reason",
        max_record_bytes=MAX_LETTER_BYTES,
    ),
    TopicSpec(
        Topic.STATE,
        "scaled",
        None,
        "what workers go on from: partition n belongs to partition n of claims",
        further=_OFTEN_COMPACTED,
    ),
    TopicSpec(Topic.WATCHES, "one", None, "watches that were added by command, key name"),
    TopicSpec(Topic.WATCH_MATCHES, "scaled", 90, "claims that match a watch, key watch"),
    TopicSpec(
        Topic.CURSORS,
        "one",
        None,
        "how far live sources have been read, key desk/kind/source",
        further=_OFTEN_COMPACTED,  # written every few seconds, and read as a whole at every start
    ),
)


class TopicState(NamedTuple):
    """A topic as the broker has it. partitions: 0 when it does not exist."""

    name: str
    spec: TopicSpec
    partitions: int
    wanted_partitions: int


def topic_name(settings: Settings, topic: Topic) -> str:
    """The name of a topic on the broker."""
    return f"{settings.topic_prefix}{topic}"


def create_topics(settings: Settings) -> list[str]:
    """Make the topics that are missing; returns their names. Existing ones stay as they are.

    Raises BrokerError when the broker is down or refuses (no rights, too few brokers for the replicas).
    """
    specs = {topic_name(settings, spec.topic): spec for spec in TOPICS}
    wanted = {name: _creation(settings, spec) for name, spec in specs.items()}
    answer = ask_admin(settings, lambda admin: admin.create_topics(wanted, raise_errors=False))
    outcome = {topic["name"]: topic for topic in answer["topics"]}
    for name, topic in outcome.items():
        if topic["error_code"] not in (0, _ALREADY_EXISTS):
            reason = topic["error_message"] or for_code(topic["error_code"]).__name__
            raise BrokerError(f"the broker at {settings.kafka_bootstrap} refuses topic {name}: {reason}")
    ask_admin(settings, lambda admin: admin.wait_for_topics(list(wanted)))
    for state in describe_topics(settings):
        if state.partitions != state.wanted_partitions:
            _logger.warning(
                "topic %s has %d partitions, the settings say %d: left as it is",
                state.name,
                state.partitions,
                state.wanted_partitions,
            )
    return [name for name, topic in outcome.items() if topic["error_code"] == 0]


def describe_topics(settings: Settings) -> list[TopicState]:
    """All topics of the table as the broker has them, in the order of the table.

    Raises BrokerError when the broker is down.
    """
    names = [topic_name(settings, spec.topic) for spec in TOPICS]
    described = ask_admin(settings, lambda admin: admin.describe_topics(names))
    found = {topic["name"]: len(topic["partitions"]) for topic in described}
    return [
        TopicState(name, spec, found.get(name, 0), _partitions(settings, spec))
        for name, spec in zip(names, TOPICS, strict=True)
    ]


def _partitions(settings: Settings, spec: TopicSpec) -> int:
    return settings.partitions if spec.partitions == "scaled" else 1


def _creation(settings: Settings, spec: TopicSpec) -> dict[str, object]:
    return {
        "num_partitions": _partitions(settings, spec),
        "replication_factor": settings.replication_factor,
        "configs": _configuration(settings, spec),
    }


def _configuration(settings: Settings, spec: TopicSpec) -> dict[str, str]:
    configuration = {"cleanup.policy": "compact" if spec.retention_days is None else "delete"}
    if spec.retention_days is not None:
        configuration["retention.ms"] = str(spec.retention_days * _DAY_MS)
    if spec.max_record_bytes is not None:
        configuration["max.message.bytes"] = str(spec.max_record_bytes)
    configuration |= dict(spec.further)
    if spec.broker_time:
        configuration["message.timestamp.type"] = "LogAppendTime"
    if settings.replication_factor >= _SAFE_REPLICATION:
        configuration["min.insync.replicas"] = "2"
    return configuration
