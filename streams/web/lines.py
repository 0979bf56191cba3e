"""Events and matches as the page reads them: from a topic, or from a file that `replay` wrote.

An event of a topic carries the narrative inside, a line of a file has its fields beside its own. Types of
events that this version does not know are taken as they are: a page must not be updated before its workers.
"""

from datetime import datetime
from typing import Any, TypeVar

import msgspec

from models.outcome import Quote
from streams.errors import RejectedComment, RejectReason
from streams.results import MentionRecord

__all__ = ["EventLine", "MatchLine", "decode_event", "decode_event_line", "decode_match", "decode_mention"]


T = TypeVar("T")


class _Evidence(msgspec.Struct, frozen=True, kw_only=True):
    label: str = ""
    kind: str = "organic"
    authors: int = 0
    threads: dict[str, int] = {}
    languages: dict[str, int] = {}
    quotes: list[Quote] = []


class EventLine(_Evidence, frozen=True, kw_only=True):
    """An event with its evidence. trigger: figures by name, beside what was required."""

    type: str
    narrative_id: str
    desk: str
    at: datetime
    mentions: int
    trigger: dict[str, Any] = {}
    into: str | None = None
    out_of: str | None = None


class MatchLine(msgspec.Struct, frozen=True, kw_only=True):
    """A claim that says what a watch looks for."""

    watch: str
    comment_id: str
    claim: int
    text: str
    similarity: float
    at: datetime
    source: str = ""
    desk: str = ""
    narrative_id: str | None = None


class _TopicEvent(msgspec.Struct, frozen=True, kw_only=True):
    type: str
    narrative_id: str
    desk: str
    at: datetime
    mentions: int
    narrative: _Evidence
    trigger: dict[str, Any] = {}
    into: str | None = None
    out_of: str | None = None


_mention_decoder = msgspec.json.Decoder(MentionRecord)
_topic_event_decoder = msgspec.json.Decoder(_TopicEvent)
_event_decoder = msgspec.json.Decoder(EventLine)
_match_decoder = msgspec.json.Decoder(MatchLine)


def decode_mention(raw: bytes) -> MentionRecord:
    """A record of `mentions`, or a line of mentions.jsonl. Raises RejectedComment (invalid_record)."""
    return _decoded(_mention_decoder, raw, "a mention")


def decode_event(raw: bytes) -> EventLine:
    """A record of the topic `events`. Raises RejectedComment (invalid_record) for any other bytes."""
    event = _decoded(_topic_event_decoder, raw, "an event")
    fields = {name: getattr(event, name) for name in event.__struct_fields__ if name != "narrative"}
    return EventLine(**fields, **msgspec.structs.asdict(event.narrative))


def decode_event_line(raw: bytes) -> EventLine:
    """A line of events.jsonl. Raises RejectedComment (invalid_record) for any other bytes."""
    return _decoded(_event_decoder, raw, "an event")


def decode_match(raw: bytes) -> MatchLine:
    """A line of watches.jsonl. Raises RejectedComment (invalid_record) for any other bytes."""
    return _decoded(_match_decoder, raw, "a match")


def _decoded(decoder: "msgspec.json.Decoder[T]", raw: bytes, what: str) -> T:
    try:
        return decoder.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RejectedComment(RejectReason.INVALID_RECORD, f"not {what}: {error}") from error
