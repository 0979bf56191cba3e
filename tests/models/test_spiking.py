"""Spikes in the engine: told once, with the burst as evidence, whatever the batches and restarts."""

from collections.abc import Sequence

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.embedding import HashEmbedder
from models.engine import Engine
from models.outcome import Event, EventType, NarrativeView
from models.parameters import Parameters
from models.preparation import Original
from models.readings import WINDOWS
from models.snapshot import unpack_pieces
from models.types import Claim
from models.watches import make_watch
from tests.models.claim_factory import CHATTER, DIMENSIONS, MINUTE_MS, TAKEOVER, claims_of, original, story

PARAMETERS = Parameters(young_claims=4)
HOUR = 60  # minutes
BURST_AT = 60 * HOUR
BURST_MENTIONS = 14


def engine() -> Engine:
    return Engine(DIMENSIONS, PARAMETERS)


def in_thread(comment: Original, thread: str) -> Original:
    return msgspec.structs.replace(comment, thread=thread)


def burst(
    first: int, *, at: int = BURST_AT, mentions: int = BURST_MENTIONS, authors: int = 100
) -> list[Original]:
    """People speak of the takeover every three minutes, in two threads, from minute `at` on."""
    return [
        in_thread(
            original(
                first + n,
                TAKEOVER[n % len(TAKEOVER)],
                author=f"late-{n % authors}",
                minutes=at + 3 * n,
            ),
            f"t{n % 2}",
        )
        for n in range(mentions)
    ]


def calm(first: int, hours: range) -> list[Original]:
    """A remark now and then about something else."""
    return [original(first + n, CHATTER[n % 12], minutes=hour * HOUR) for n, hour in enumerate(hours)]


CALM = claims_of(calm(100, range(4, 60, 4)))
STORY = [*story(), *CALM, *claims_of(burst(1_000))]


def spiking(events: Sequence[Event]) -> list[Event]:
    return [event for event in events if event.type is EventType.SPIKING]


def test_a_burst_is_told_once_with_its_own_words_and_figures() -> None:
    one = engine()
    (event,) = spiking(one.observe(STORY).events)
    assert event.narrative_id in {view.narrative_id for view in one.narratives()}
    figures = event.trigger
    assert figures["surprise"] >= figures["required_surprise"]
    assert figures["observed"] > figures["expected"]
    assert figures["window_seconds"] in WINDOWS.values()
    assert figures["authors"] >= figures["required_authors"]
    assert figures["threads"] == 2
    assert len({quote.author for quote in event.narrative.quotes}) == 3
    assert all(quote.author.startswith("late-") for quote in event.narrative.quotes)
    assert event.at.timestamp() * 1000 >= (CALM[-1][0].created_at_ms or 0)


def test_the_public_view_keeps_its_own_quotes() -> None:
    one = engine()
    outcome = one.observe(STORY)
    (event,) = spiking(outcome.events)
    assert outcome.changed[event.narrative_id].quotes == one.narratives()[0].quotes != event.narrative.quotes


def test_what_emerges_does_not_spike() -> None:
    events = engine().observe([*story(), *claims_of(burst(1_000, at=150, mentions=3))]).events
    assert EventType.EMERGED in {event.type for event in events}
    assert spiking(events) == []


def test_two_people_are_no_spike_however_much_they_write() -> None:
    comments = [*story(), *CALM, *claims_of(burst(1_000, authors=2, mentions=30))]
    assert spiking(engine().observe(comments).events) == []


def test_what_is_withdrawn_does_not_count() -> None:
    one = engine()
    outcome = one.observe([*story(), *CALM, *claims_of(burst(1_000, mentions=3))])
    assert spiking(outcome.events) == []
    ids = {view.narrative_id for view in one.narratives()}
    before = hour_of(one, ids)
    one.withdraw("test", "c1001")
    assert hour_of(one, ids) == before - 1


def hour_of(one: Engine, ids: set[str]) -> int:
    readings = one.readings(ids, one.now_ms or 0)
    return sum(reading.windows[1].observed for reading in readings.narratives.values())


def test_an_edit_counts_once() -> None:
    one = engine()
    one.observe([*story(), *CALM, *claims_of(burst(1_000, mentions=3))])
    ids = {view.narrative_id for view in one.narratives()}
    before = hour_of(one, ids)
    edited = in_thread(original(1_002, TAKEOVER[3], author="late-2", minutes=BURST_AT + 6), "t0")
    assert one.observe(claims_of([edited])).edited == 1
    assert hour_of(one, ids) == before


def test_readings_are_of_what_is_asked_for_and_fade_with_time() -> None:
    one = engine()
    (event,) = spiking(one.observe(STORY).events)
    now = one.now_ms or 0
    (reading,) = one.readings({event.narrative_id, "unknown"}, now).narratives.values()
    assert [window.window for window in reading.windows] == list(WINDOWS)
    assert reading.surprise >= 4
    (later,) = one.readings({event.narrative_id}, now + 30 * HOUR * MINUTE_MS).narratives.values()
    assert [window.observed for window in later.windows] == [0, 0, 0, 0]
    assert later.surprise == 0


def test_watches_have_readings_from_their_first_match() -> None:
    embedder = HashEmbedder(DIMENSIONS)
    watches = [make_watch(name, [name], embedder.embed, lambda _: "en") for name in ("takeover", "oil price")]
    one = Engine(DIMENSIONS, PARAMETERS, watches=watches)
    outcome = one.observe(STORY)
    matching = {match.comment_id for match in outcome.matches if match.watch == "takeover"}
    readings = one.readings(set(), one.now_ms or 0).watches
    assert readings["oil price"].windows[3].observed == 0
    assert readings["takeover"].windows[3].observed == len([one for one in matching if int(one[1:]) >= 1_000])
    assert readings["takeover"].surprise > 4


def result(one: Engine, events: Sequence[Event]) -> tuple[list[NarrativeView], list[bytes], object]:
    views = one.narratives()
    readings = one.readings({view.narrative_id for view in views}, (one.now_ms or 0) + 12_345)
    return views, [msgspec.json.encode(event) for event in events], readings


def whole() -> tuple[list[NarrativeView], list[bytes], object]:
    one = engine()
    return result(one, one.observe(STORY).events)


WHOLE = whole()


@settings(deadline=None, max_examples=4)
@given(st.lists(st.integers(1, 30), min_size=1, max_size=20))
def test_spikes_do_not_depend_on_batches(sizes: list[int]) -> None:
    one, events, place = engine(), list[Event](), 0
    for size in [*sizes, len(STORY)]:
        events += one.observe(STORY[place : place + size]).events
        place += size
    assert result(one, events) == WHOLE


@settings(deadline=None, max_examples=4)
@given(st.lists(st.integers(0, len(STORY)), max_size=4), st.booleans())
def test_spikes_do_not_depend_on_restarts(cuts: list[int], in_pieces: bool) -> None:
    one, events, place = engine(), list[Event](), 0
    pieces: dict[str, bytes] = {}
    for cut in [*sorted(cuts), len(STORY)]:
        events += one.observe(STORY[place:cut]).events
        place = cut
        fresh = engine()
        if in_pieces:
            pieces |= one.changes().pieces  # nothing is forgotten in these two days
            fresh.restore_unpacked(unpack_pieces(dict(pieces)))
        else:
            fresh.restore(one.snapshot())
        one = fresh
    assert result(one, events) == WHOLE


def test_a_mention_that_comes_late_counts_in_the_windows_of_its_own_time() -> None:
    one = engine()
    one.observe(STORY)
    ids = {view.narrative_id for view in one.narratives()}
    before = hour_of(one, ids)
    late = in_thread(original(3_000, TAKEOVER[1], author="late", minutes=BURST_AT - 3 * HOUR), "t0")
    outcome = one.observe(claims_of([late]))
    assert [mention.comment_id for mention in outcome.mentions] == ["c3000"]
    assert hour_of(one, ids) == before
    assert spiking(outcome.events) == []


def test_comments_of_the_desk_are_what_it_is_held_against() -> None:
    def expected(chatter: int) -> float:
        more = [original(5_000 + n, CHATTER[n % 12], minutes=BURST_AT - 50 + n % 50) for n in range(chatter)]
        one = engine()
        one.observe([*story(), *CALM, *claims_of(sorted(more, key=lambda one: one.created_at_ms or 0))])
        first = one.narratives()[0].narrative_id
        return one.readings({first}, one.now_ms or 0).narratives[first].windows[1].expected

    assert expected(100) > 1.5 * expected(1)


@pytest.mark.parametrize("comments", [STORY[:1], CALM[:2]])
def test_a_desk_without_narratives_has_no_readings(comments: list[list[Claim]]) -> None:
    one = engine()
    one.observe(comments)
    assert one.readings({"n1"}, one.now_ms or 0).narratives == {}
