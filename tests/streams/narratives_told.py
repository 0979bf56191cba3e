"""An event as the topic has it, for tests of who is told of it."""

from datetime import UTC, datetime
from typing import Any

import msgspec

from models.outcome import EventType, Kind, NarrativeView, Quote, State
from streams.results import EventRecord, NarrativeRecord

__all__ = ["NOON", "event", "narrative", "view"]

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


def view(**changes: Any) -> NarrativeView:
    plain = NarrativeView(
        narrative_id="n-1",
        label="The partnership is a takeover in disguise",
        keywords=["takeover"],
        representative="The partnership is a takeover in disguise",
        kind=Kind.ORGANIC,
        state=State.EMERGED,
        mentions=7,
        supporting=6,
        rebutting=1,
        copies=0,
        authors=5,
        threads={"t1": 4, "t2": 3},
        languages={"en": 4, "fr": 3},
        sources={"blog": 7},
        first_seen=datetime(2026, 3, 2, 9, 30, tzinfo=UTC),
        last_seen=NOON,
        emerged_at=NOON,
        aliases=[],
        quotes=[
            Quote(
                text=text,
                author="hash-of-somebody",
                source="blog",
                thread="t1",
                language="en",
                comment_id=f"c{number}",
                at=NOON,
                permalink="https://blog.example.org/c1",
            )
            for number, text in enumerate(("They are being bought.", "A takeover, plain and simple."))
        ],
    )
    return msgspec.structs.replace(plain, **changes)


def event(**changes: Any) -> EventRecord:
    plain = EventRecord(
        desk="tech",
        type=EventType.EMERGED,
        narrative_id="n-1",
        at=NOON,
        mentions=7,
        narrative=view(),
        trigger={"authors": 5.0, "authors_required": 3.0},
    )
    return msgspec.structs.replace(plain, **changes)


def narrative(**changes: Any) -> NarrativeRecord:
    return NarrativeRecord(desk="tech", **msgspec.structs.asdict(view(**changes)))
