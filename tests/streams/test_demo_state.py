"""What the demo learns from the topics, record by record."""

from datetime import UTC, datetime

import msgspec
import pytest

from models.outcome import Kind, State
from streams.demo_state import DemoState, Sample
from streams.results import MentionRecord, MergedNarrative, NarrativeRecord
from streams.topics import Topic

AT = datetime(2026, 1, 1, tzinfo=UTC)
SAMPLE = Sample(
    records=[], times=[], titles={"x": "a claim"}, labelled={f"c{number}": "x" for number in range(4)}
)


def mention(narrative_id: str, comment_id: str, *, withdrawn: bool = False) -> bytes:
    return msgspec.json.encode(
        MentionRecord(
            desk="d",
            narrative_id=narrative_id,
            source="s",
            comment_id=comment_id,
            n=0,
            text="a claim",
            author="a",
            thread="t",
            language="en",
            at=AT,
            similarity=0.5,
            retroactive=False,
            withdrawn=withdrawn,
        )
    )


def narrative(narrative_id: str, mentions: int) -> bytes:
    return msgspec.json.encode(
        NarrativeRecord(
            desk="d",
            narrative_id=narrative_id,
            label="a claim",
            keywords=[],
            representative="a claim",
            kind=Kind.ORGANIC,
            state=State.EMERGED,
            mentions=mentions,
            supporting=mentions,
            rebutting=0,
            copies=0,
            authors=mentions,
            threads={"t": mentions},
            languages={"en": mentions},
            sources={"s": mentions},
            first_seen=AT,
            last_seen=AT,
            emerged_at=AT,
            aliases=[],
            quotes=[],
        )
    )


@pytest.fixture
def state() -> DemoState:
    state = DemoState(SAMPLE)
    state.take(Topic.NARRATIVES, narrative("n1", 4))
    for comment in ("c0", "c1", "c2"):
        state.take(Topic.MENTIONS, mention("n1", comment))
    return state


def test_a_comment_is_counted_once(state: DemoState) -> None:
    state.take(Topic.MENTIONS, mention("n1", "c0"))
    assert [(found.hits, found.of) for found in state.found()] == [(3, 4)]


def test_what_is_withdrawn_does_not_count(state: DemoState) -> None:
    state.take(Topic.MENTIONS, mention("n1", "c0", withdrawn=True))
    assert [found.hits for found in state.found()] == [2]
    state.take(Topic.MENTIONS, mention("n1", "c0"))
    assert [found.hits for found in state.found()] == [3]


def test_a_merged_narrative_gives_up_its_comments_under_its_new_name(state: DemoState) -> None:
    state.take(Topic.NARRATIVES, narrative("n0", 4))
    merged = MergedNarrative(desk="d", narrative_id="n1", into="n0")
    state.take(Topic.NARRATIVES, msgspec.json.encode(merged))
    assert [(found.hits, found.narrative and found.narrative.narrative_id) for found in state.found()] == [
        (3, "n0")
    ]
    state.take(Topic.MENTIONS, mention("n0", "c1", withdrawn=True))
    assert [found.hits for found in state.found()] == [2]
