"""What the engine says as records of the topics of results: flat JSON that names the desk.

`narratives` is compacted: a reader of that topic alone knows every narrative. One that has merged leaves a
`MergedNarrative` under its key, which names the one that lives on.
"""

from collections.abc import Iterable, Mapping
from typing import Literal

import msgspec

from models.outcome import Event, EventType, Mention, NarrativeView, Outcome, WatchMatch
from streams.errors import RejectedComment, RejectReason
from streams.output import Output
from streams.topics import Topic

__all__ = [
    "EventRecord",
    "MentionRecord",
    "MergedNarrative",
    "NarrativeRecord",
    "WatchMatchRecord",
    "decode_match",
    "decode_narrative",
    "joined",
    "narrative_key",
    "narrative_output",
    "outputs_of",
]


class MentionRecord(Mention, frozen=True, kw_only=True):
    """A mention; a later one of the same desk, narrative, source and comment replaces it, or withdraws it.

    A narrative that has merged is the same as the one it lives on in.
    """

    desk: str


class EventRecord(Event, frozen=True, kw_only=True):
    """An event. After a crash of a worker the same event may come again, equal in every field."""

    desk: str


class WatchMatchRecord(WatchMatch, frozen=True, kw_only=True):
    """A match; a later one of the same desk, watch, source, comment and n replaces it.

    A withdrawn one voids all of its comment. The narrative may have merged since: `narratives` knows.
    """

    desk: str


class NarrativeRecord(NarrativeView, frozen=True, kw_only=True):
    """The last state of a narrative."""

    desk: str


class MergedNarrative(msgspec.Struct, frozen=True, kw_only=True):
    """The last state of a narrative that became part of another; `into` may have merged since, too."""

    desk: str
    narrative_id: str
    into: str
    state: Literal["merged"] = "merged"


class _State(msgspec.Struct):
    state: str


_encode = msgspec.json.Encoder().encode
_state_decoder = msgspec.json.Decoder(_State)
_narrative_decoder = msgspec.json.Decoder(NarrativeRecord)
_merged_decoder = msgspec.json.Decoder(MergedNarrative)
_match_decoder = msgspec.json.Decoder(WatchMatchRecord)


def outputs_of(desk: str, outcome: Outcome) -> list[Output]:
    """The records of one outcome, events last: who hears of an event finds the narrative already there."""
    key, end = desk.encode(), _end(desk)
    outputs = [Output(Topic.MENTIONS, key, _encode(mention)[:-1] + end) for mention in outcome.mentions]
    outputs += [narrative_output(desk, view) for view in outcome.changed.values()]
    for event in outcome.events:
        if event.type is EventType.MERGED and event.into is not None:
            merged = MergedNarrative(desk=desk, narrative_id=event.narrative_id, into=event.into)
            gone = narrative_key(desk, event.narrative_id)
            outputs.append(Output(Topic.NARRATIVES, gone, _encode(merged)))
    outputs += [
        Output(Topic.WATCH_MATCHES, match.watch.encode(), _encode(match)[:-1] + end)
        for match in outcome.match_news
    ]
    outputs += [Output(Topic.EVENTS, key, _encode(event)[:-1] + end) for event in outcome.events]
    return outputs


def narrative_output(desk: str, view: NarrativeView) -> Output:
    """The record of a narrative as it is now."""
    return Output(Topic.NARRATIVES, narrative_key(desk, view.narrative_id), _encode(view)[:-1] + _end(desk))


def joined(
    outcomes: Iterable[tuple[str, Outcome]], changed: Mapping[str, dict[str, NarrativeView]]
) -> dict[str, Outcome]:
    """The outcomes of each desk as one, as if the engine had been called once.

    outcomes: of calls without views; changed: by desk and id, the views that are new since.
    """
    by_desk: dict[str, Outcome] = {}
    for desk, one in outcomes:
        whole = by_desk.setdefault(desk, Outcome())
        whole.assignments += one.assignments
        whole.mentions += one.mentions
        whole.events += one.events
        whole.matches += one.matches
        whole.match_news += one.match_news
        whole.retired += one.retired
        whole.duplicates += one.duplicates
        whole.edited += one.edited
        whole.deleted += one.deleted
    for desk, views in changed.items():
        by_desk.setdefault(desk, Outcome()).changed = views
    return by_desk


def narrative_key(desk: str, narrative_id: str) -> bytes:
    """The key of a narrative in the compacted topic."""
    return f"{desk}:{narrative_id}".encode()


def decode_narrative(raw: bytes) -> NarrativeRecord | MergedNarrative:
    """A record of the topic `narratives`. Raises RejectedComment (invalid_record) for any other bytes."""
    try:
        merged = _state_decoder.decode(raw).state == "merged"
        return _merged_decoder.decode(raw) if merged else _narrative_decoder.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RejectedComment(RejectReason.INVALID_RECORD, f"not a narrative: {error}") from error


def decode_match(raw: bytes) -> WatchMatchRecord:
    """A record of the topic `watch-matches`. Raises RejectedComment (invalid_record) for any other bytes."""
    try:
        return _match_decoder.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RejectedComment(RejectReason.INVALID_RECORD, f"not a match: {error}") from error


def _end(desk: str) -> bytes:
    """What goes in place of the last bracket of an object, so that it names its desk.

    To make a record of the engine's object first takes three times as long, and there are several a comment.
    """
    return b',"desk":' + _encode(desk) + b"}"
