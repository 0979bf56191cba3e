"""Records as workers write them, written for these tests."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from models.outcome import Kind, Quote, Stance, State
from streams.results import MentionRecord, NarrativeRecord
from streams.web.intake import take_event, take_mention, take_narrative
from streams.web.lines import EventLine
from streams.web.store import Store

__all__ = ["HOSTILE", "NOW", "event", "fill", "mention", "mentions", "narrative", "quote", "write_folder"]

NOW = datetime(2026, 11, 27, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)

# What a stranger may write in the hope that somebody's browser obeys: written so that each part would show.
HOSTILE = (
    '<script>document.title="owned"</script><img src=x onerror="document.title=\'owned\'">'
    "\"' onmouseover=alert(1) </td></table> \u202eelpmas\u202c \x00\x1b[31m {{ 7 * 7 }} javascript:alert(1)"
)


def quote(text: str = "They sold the company without saying so.", **fields: Any) -> Quote:
    """A quote."""
    given: dict[str, Any] = {
        "text": text,
        "author": "a1b2c3d4e5f60718293a4b5c6d7e8f90",
        "source": "Le Forum",
        "thread": "t1",
        "language": "fr",
        "comment_id": "c1",
        "at": NOW - 30 * HOUR,
        "permalink": "https://forum.example/t1#c1",
    }
    return Quote(**(given | fields))


def narrative(narrative_id: str = "n1", **fields: Any) -> NarrativeRecord:
    """The last state of a narrative."""
    given: dict[str, Any] = {
        "narrative_id": narrative_id,
        "desk": "tech",
        "label": f"The label of {narrative_id}",
        "keywords": ["rachat", "société"],
        "representative": "They sold the company without saying so.",
        "kind": Kind.ORGANIC,
        "state": State.EMERGED,
        "mentions": 4,
        "supporting": 3,
        "rebutting": 1,
        "copies": 0,
        "authors": 4,
        "threads": {"t1": 3, "t2": 1},
        "languages": {"fr": 3, "en": 1},
        "sources": {"Le Forum": 3, "The Board": 1},
        "first_seen": NOW - 40 * HOUR,
        "last_seen": NOW - HOUR,
        "emerged_at": NOW - 36 * HOUR,
        "aliases": [],
        "quotes": [quote()],
    }
    return NarrativeRecord(**(given | fields))


def mention(comment_id: str = "c1", narrative_id: str = "n1", **fields: Any) -> MentionRecord:
    """A mention that stands."""
    given: dict[str, Any] = {
        "narrative_id": narrative_id,
        "desk": "tech",
        "source": "Le Forum",
        "comment_id": comment_id,
        "n": 0,
        "text": f"Text of comment {comment_id}",
        "author": f"author-of-{comment_id}",
        "thread": "t1",
        "language": "fr",
        "at": NOW - HOUR,
        "similarity": 0.5,
        "retroactive": False,
        "stance": Stance.SUPPORTS,
        "permalink": f"https://forum.example/t1#{comment_id}",
    }
    return MentionRecord(**(given | fields))


def mentions(count: int, narrative_id: str = "n1", **fields: Any) -> list[MentionRecord]:
    """So many mentions by as many authors, a minute apart, the newest an hour ago."""
    return [
        mention(f"{narrative_id}-{n}", narrative_id, **({"at": NOW - HOUR - timedelta(minutes=n)} | fields))
        for n in range(count)
    ]


def event(type_: str = "emerged", narrative_id: str = "n1", **fields: Any) -> EventLine:
    """Something that happened."""
    given: dict[str, Any] = {
        "type": type_,
        "narrative_id": narrative_id,
        "desk": "tech",
        "at": NOW - 2 * HOUR,
        "mentions": 4,
        "trigger": {"authors": 4.0, "required_authors": 3.0},
        "label": f"The label of {narrative_id}",
        "authors": 4,
    }
    return EventLine(**(given | fields))


def fill(
    store: Store,
    narratives: Iterable[NarrativeRecord] = (),
    told: Iterable[MentionRecord] = (),
    events: Iterable[EventLine] = (),
) -> None:
    """Put records in a store, in this order."""
    with store.writing() as connection:
        for one in narratives:
            take_narrative(connection, one)
        for place, said in enumerate(told):
            take_mention(connection, said, place)
        for happened in events:
            take_event(connection, happened)


def write_folder(folder: Path, files: Mapping[str, Iterable[object]]) -> Path:
    """A folder as `replay` writes one: the objects of each file, a line each."""
    folder.mkdir(exist_ok=True)
    for name, objects in files.items():
        lines = [msgspec.json.encode(one) + b"\n" for one in objects]
        (folder / f"{name}.jsonl").write_bytes(b"".join(lines))
    return folder
