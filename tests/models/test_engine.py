"""The engine: emergence, identity, evidence, order, and the same result however it is called."""

from collections.abc import Sequence

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.engine import Engine
from models.outcome import Event, EventType, Kind, NarrativeView, State
from models.parameters import Parameters, Sensitivity, parameters_for
from models.snapshot import SnapshotError
from models.types import Claim
from tests.models.claim_factory import (
    CHATTER,
    DIMENSIONS,
    MINUTE_MS,
    START_MS,
    TAKEOVER,
    claims_of,
    original,
    story,
)

PARAMETERS = Parameters(young_claims=4)  # the stories here are short


def engine(parameters: Parameters = PARAMETERS) -> Engine:
    return Engine(DIMENSIONS, parameters)


def run(
    comments: Sequence[Sequence[Claim]], parameters: Parameters = PARAMETERS
) -> tuple[Engine, list[Event]]:
    one = engine(parameters)
    return one, one.observe(comments).events


def narrative_about(word: str, views: Sequence[NarrativeView]) -> NarrativeView:
    found = [view for view in views if any(word in keyword.lower() for keyword in view.keywords)]
    assert len(found) == 1, [view.label for view in views]
    return found[0]


def test_a_claim_of_several_authors_emerges_with_its_evidence() -> None:
    one, events = run(story())
    view = narrative_about("takeover", one.narratives())
    emerged = next(e for e in events if e.narrative_id == view.narrative_id)
    assert emerged.type is EventType.EMERGED
    assert view.mentions >= 4
    assert view.authors == view.mentions
    assert view.threads == {"t": view.mentions}
    assert "takeover" in view.label
    assert view.kind is Kind.ORGANIC
    assert len(emerged.narrative.quotes) == 3
    assert len({quote.author for quote in emerged.narrative.quotes}) == 3
    assert all("takeover" in quote.text.lower() for quote in emerged.narrative.quotes)
    assert emerged.trigger["authors"] >= emerged.trigger["required_authors"]
    assert emerged.trigger["cohesion"] >= emerged.trigger["required_cohesion"]


def test_held_back_claims_are_assigned_retroactively() -> None:
    one = engine()
    outcome = one.observe(story())
    view = narrative_about("takeover", one.narratives())
    final = {a.comment_id: a.narrative_id for a in outcome.assignments}
    first = {a.comment_id: a.narrative_id for a in reversed(outcome.assignments)}
    assert first["c8"] is None
    assert final["c8"] == view.narrative_id
    retroactive = {m.comment_id for m in outcome.mentions if m.retroactive}
    assert "c8" in retroactive
    told = [m.comment_id for m in outcome.mentions if m.narrative_id == view.narrative_id]
    assert len(told) == len(set(told)) == view.mentions


def test_chatter_alone_makes_no_narrative() -> None:
    comments = claims_of([original(n, text) for n, text in enumerate(CHATTER)])
    one, events = run(comments)
    assert one.narratives() == []
    assert events == []
    assert one.held_back == sum(claims[0].vector != b"" for claims in comments)


def test_one_author_is_no_corroboration() -> None:
    texts = [*CHATTER[:8], *TAKEOVER]
    _, events = run(claims_of([original(n, text, author="insistent") for n, text in enumerate(texts)]))
    assert events == []


def test_copies_of_one_text_are_a_campaign_and_not_several_voices() -> None:
    text = "The national cloud project is already insolvent and they hide the accounts from every citizen"
    texts = [*CHATTER[:8], text, text + "!", text + " #wakeup", text + " 🚨", text + "."]
    one, _ = run(claims_of([original(n, t) for n, t in enumerate(texts)]))
    view = narrative_about("insolvent", one.narratives())
    assert view.kind is Kind.CAMPAIGN
    assert view.copies == view.mentions >= 4


def test_copies_by_two_accounts_are_nothing() -> None:
    text = "The national cloud project is already insolvent and they hide the accounts from every citizen"
    comments = [original(n, t) for n, t in enumerate(CHATTER[:8])]
    comments += [original(8 + n, text + "!" * n, author=f"bot-{n % 2}") for n in range(6)]
    _, events = run(claims_of(comments))
    assert events == []


def test_a_comment_seen_again_does_not_count() -> None:
    comments = story()
    once, _ = run(comments)
    twice = engine()
    outcome = twice.observe([*comments, *comments])
    assert outcome.duplicates == len(comments)
    assert twice.narratives() == once.narratives()


def test_a_claim_of_nothing_is_assigned_to_nothing() -> None:
    thanks = claims_of([original(1, "Merci !")])
    outcome = engine().observe(thanks)
    assert thanks[0][0].vector == b""
    assert [(a.narrative_id, a.similarity) for a in outcome.assignments] == [(None, 0.0)]


def test_a_quiet_narrative_fades_and_revives() -> None:
    comments = story()
    last = len(comments)
    hours = 80 * 60
    later = [original(last + n, CHATTER[n], minutes=last * 10 + hours + n) for n in range(4)]
    again = [original(last + 9, TAKEOVER[0], minutes=last * 10 + hours + 20)]
    one = engine()
    one.observe(comments)
    view = narrative_about("takeover", one.narratives())
    faded = one.observe(claims_of(later)).events
    assert (EventType.FADED, view.narrative_id) in [(e.type, e.narrative_id) for e in faded]
    assert narrative_about("takeover", one.narratives()).state is State.FADED
    revived = one.observe(claims_of(again)).events
    assert [(e.type, e.narrative_id) for e in revived] == [(EventType.REVIVED, view.narrative_id)]
    assert narrative_about("takeover", one.narratives()).state is State.EMERGED


def test_what_is_forgotten_leaves_hot_state_for_good() -> None:
    comments = story()
    last, weeks = len(comments), 20 * 24 * 60
    one = engine()
    one.observe(comments)
    old = narrative_about("takeover", one.narratives()).narrative_id
    later = [original(last + n, CHATTER[n], minutes=last * 10 + weeks + n) for n in range(4)]
    outcome = one.observe(claims_of(later))
    assert old in outcome.retired
    assert old not in [view.narrative_id for view in one.narratives()]


def test_a_forged_date_cannot_move_the_clock() -> None:
    comments = [original(n, CHATTER[n]) for n in range(6)]
    forged = original(6, CHATTER[6], author="forger", minutes=600 * 24 * 60)
    one = engine()
    one.observe(claims_of([*comments, forged]))
    assert one.now_ms == START_MS + 50 * MINUTE_MS


def test_a_real_gap_is_bridged_by_several_authors() -> None:
    comments = [original(n, CHATTER[n]) for n in range(6)]
    after = [original(6 + n, CHATTER[6 + n], minutes=3 * 24 * 60 + n) for n in range(3)]
    one = engine()
    one.observe(claims_of([*comments, *after]))
    assert one.now_ms == START_MS + 3 * 24 * 60 * MINUTE_MS


def test_comments_without_dates_are_told_apart() -> None:
    dated = claims_of([original(n, CHATTER[n]) for n in range(3)])
    one = engine()
    moments = []
    for claims in dated:
        one.observe([[msgspec.structs.replace(claim, created_at_ms=None) for claim in claims]])
        moments.append(one.now_ms)
    assert len(set(moments)) == 3


def signature(one: Engine, events: Sequence[Event]) -> tuple[list[NarrativeView], list[tuple[str, str, str]]]:
    return one.narratives(), [(e.type.value, e.narrative_id, e.at.isoformat()) for e in events]


STORY = story(repeats=2)
WHOLE = signature(*run(STORY))


@settings(deadline=None, max_examples=30)
@given(st.lists(st.integers(1, 9), min_size=1, max_size=40))
def test_the_result_does_not_depend_on_batches(sizes: list[int]) -> None:
    one, events, place = engine(), [], 0
    for size in [*sizes, len(STORY)]:
        events += one.observe(STORY[place : place + size]).events
        place += size
    assert signature(one, events) == WHOLE


@settings(deadline=None, max_examples=30)
@given(st.lists(st.integers(0, len(STORY)), max_size=4))
def test_a_snapshot_at_any_point_changes_nothing(cuts: list[int]) -> None:
    one, events, place = engine(), [], 0
    for cut in [*sorted(cuts), len(STORY)]:
        events += one.observe(STORY[place:cut]).events
        place = cut
        kept = one.snapshot()
        one = engine()
        one.restore(kept)
    assert signature(one, events) == WHOLE


@pytest.mark.parametrize("junk", [b"", b"\xc1", b"\x80", b"not a snapshot"])
def test_anything_else_is_no_snapshot(junk: bytes) -> None:
    with pytest.raises(SnapshotError):
        engine().restore(junk)


def test_a_snapshot_of_another_model_is_refused() -> None:
    one, _ = run(STORY)
    with pytest.raises(SnapshotError, match="another model"):
        Engine(32, PARAMETERS).restore(one.snapshot())


def test_memory_is_bounded_by_the_window() -> None:
    small = msgspec.structs.replace(PARAMETERS, window_claims=16, kept_claims=24)
    one, _ = run(claims_of([original(n, f"{CHATTER[n % 12]} {n}") for n in range(60)]), small)
    assert one.held_back <= 24


def test_sensitivity_sets_the_corroboration() -> None:
    authors = {s: parameters_for(s).min_authors for s in Sensitivity}
    assert authors[Sensitivity.HIGH] < authors[Sensitivity.NORMAL] < authors[Sensitivity.LOW]


def test_few_voices_must_be_more_alike_than_many() -> None:
    required = {}
    for factor in (1.0, 3.0):
        _, events = run(story(), Parameters(young_claims=4, few_factor=factor))
        required[factor] = min(e.trigger["authors"] for e in events if e.type is EventType.EMERGED)
    assert required[1.0] == PARAMETERS.min_authors
    assert required[3.0] > PARAMETERS.min_authors


PRICES = (
    "The ferry company hides its real prices until the last page.",
    "Real prices of the ferry company are hidden until the last page.",
    "Until the last page the ferry company hides its real prices from you.",
    "Why does the ferry company hide its real prices until the last page?",
    "Hidden until the last page: the real prices of the ferry company.",
)


def test_of_too_many_narratives_those_heard_of_last_stay() -> None:
    first = story()
    texts = [text for pair in zip(PRICES, CHATTER, strict=False) for text in pair]
    comments = first + claims_of([original(len(first) + n, text) for n, text in enumerate(texts)])
    after = claims_of([original(len(comments), CHATTER[9], minutes=len(comments) * 10 + 30)])
    both = engine()
    both.observe([*comments, *after])
    takeover = narrative_about("takeover", both.narratives())
    prices = narrative_about("prices", both.narratives())
    one = engine(msgspec.structs.replace(PARAMETERS, hot_narratives=1))
    outcome = one.observe([*comments, *after])
    assert [view.narrative_id for view in one.narratives()] == [prices.narrative_id]
    assert outcome.retired == [takeover.narrative_id]
    again = engine(msgspec.structs.replace(PARAMETERS, hot_narratives=1))
    again.restore(one.snapshot())
    assert again.narratives() == one.narratives()
