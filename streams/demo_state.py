"""What the demo has learned so far from the topics: narratives, who mentions them, how they compare.

Pure: records in, figures out. `streams.demo` feeds it, `streams.demo_view` shows it.
"""

import json
from collections import Counter
from collections.abc import Mapping
from importlib import resources
from typing import NamedTuple

import msgspec

from models.outcome import EventType
from streams.results import EventRecord, MentionRecord, NarrativeRecord, decode_narrative
from streams.topics import Topic

__all__ = ["DemoState", "Found", "Sample", "load_sample"]

_event_decoder = msgspec.json.Decoder(EventRecord)
_mention_decoder = msgspec.json.Decoder(MentionRecord)


class Sample(NamedTuple):
    """The sample comments, a JSON record each, and what was written into them on purpose."""

    records: list[bytes]
    times: list[str]  # created_at of each record
    titles: Mapping[str, str]  # label to title
    labelled: Mapping[str, str]  # comment id to label


class Found(NamedTuple):
    """A narrative of the sample and the one announced for it; None unless at least half of that is it."""

    title: str
    narrative: NarrativeRecord | None
    hits: int  # comments of the sample narrative that it holds
    of: int  # comments of the sample narrative


def load_sample() -> Sample:
    """Read the sample that ships with the project."""
    folder = resources.files("streams.samples")
    lines = folder.joinpath("comments.jsonl").read_bytes().splitlines()
    comments = [json.loads(line) for line in lines]
    titles = json.loads(folder.joinpath("narratives.json").read_bytes())
    return Sample(
        records=lines,
        times=[comment["created_at"] for comment in comments],
        titles={label: entry["title_en"] for label, entry in titles.items()},
        labelled={c["id"]: c["narratives"][0]["id"] for c in comments if c["narratives"]},
    )


class DemoState:
    """The narratives as the topics tell them."""

    def __init__(self, sample: Sample, prefix: str = "") -> None:
        self.narratives: dict[str, NarrativeRecord] = {}
        self.emerged: list[EventRecord] = []
        self._sample = sample
        self._prefix = prefix
        self._into: dict[str, str] = {}
        self._comments: dict[str, set[str]] = {}

    def take(self, topic: str, value: bytes) -> EventRecord | None:
        """Learn from one record; returns it when a narrative has emerged."""
        role = Topic(topic.removeprefix(self._prefix))
        if role is Topic.NARRATIVES:
            record = decode_narrative(value)
            if isinstance(record, NarrativeRecord):
                self.narratives[record.narrative_id] = record
            else:
                self._into[record.narrative_id] = record.into
                self.narratives.pop(record.narrative_id, None)
        elif role is Topic.MENTIONS:
            mention = _mention_decoder.decode(value)
            if mention.withdrawn:
                self._withdraw(mention)
            else:
                self._comments.setdefault(mention.narrative_id, set()).add(mention.comment_id)
        elif role is Topic.EVENTS:
            event = _event_decoder.decode(value)
            if event.type is EventType.EMERGED:
                self.emerged.append(event)
                return event
        return None

    def current(self, event: EventRecord) -> NarrativeRecord | None:
        """The narrative of an event as it is now, under the id it lives on with."""
        return self.narratives.get(self._final(event.narrative_id))

    def found(self) -> list[Found]:
        """For each narrative of the sample, the announced one that holds most of its comments."""
        held: dict[str, set[str]] = {}
        for narrative_id, comments in self._comments.items():
            held.setdefault(self._final(narrative_id), set()).update(comments)
        sizes = Counter(self._sample.labelled.values())
        return [self._best(label, title, held, sizes[label]) for label, title in self._sample.titles.items()]

    def _withdraw(self, mention: MentionRecord) -> None:
        final = self._final(mention.narrative_id)
        for narrative_id, comments in self._comments.items():
            if self._final(narrative_id) == final:
                comments.discard(mention.comment_id)

    def _final(self, narrative_id: str) -> str:
        while narrative_id in self._into:
            narrative_id = self._into[narrative_id]
        return narrative_id

    def _best(self, label: str, title: str, held: Mapping[str, set[str]], size: int) -> Found:
        hits = {
            narrative_id: sum(self._sample.labelled.get(comment) == label for comment in comments)
            for narrative_id, comments in held.items()
            if narrative_id in self.narratives
        }
        best = max(sorted(hits), key=lambda narrative_id: hits[narrative_id], default=None)
        if best is None or hits[best] * 2 < self.narratives[best].mentions:
            return Found(title, None, 0, size)
        return Found(title, self.narratives[best], hits[best], size)
