"""Revisions: identities after all claims have been grouped anew, and mentions that are taken back."""

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from models.context import Context, thread_key
from models.engine import Engine
from models.lexical import LEXICAL_DIMENSIONS
from models.narrative import HELD_BACK, Member, Narrative, member_of
from models.outcome import EventType, Mention, Outcome
from models.parameters import Parameters
from models.parts import Parts, Rest
from models.revision import Group, homes, main_owner
from models.snapshot import unpack_pieces
from tests.models.claim_factory import CHATTER, DIMENSIONS, TAKEOVER, claims_of, original

# A revision after every fourth claim, in which nothing speaks for staying.
RESTLESS = Parameters(
    young_claims=4, window_claims=32, reviews_per_window=8, stay=0.0, split_factor=1.0, min_authors=2
)


def test_a_narrative_lives_where_most_of_its_claims_are() -> None:
    groups = [Group([0, 1], []), Group([2, 3, 4], []), Group([5], [])]
    assert homes(groups, {0: 7, 1: 7, 2: 7, 3: 8, 4: 8, 5: HELD_BACK}) == [[7], [8], []]


def test_of_equals_the_first_group_is_home() -> None:
    assert homes([Group([0], []), Group([1], [])], {0: 7, 1: 7}) == [[7], []]


def test_what_is_settled_outweighs_the_window() -> None:
    groups = [Group([0, 1, 2], []), Group([], [7])]
    assert homes(groups, {0: 7, 1: 7, 2: 7}) == [[], [7]]


def test_narratives_that_meet_live_together() -> None:
    assert homes([Group([0, 1], [])], {0: 9, 1: 7}) == [[7, 9]]


@pytest.mark.parametrize(
    ("owners", "main"),
    [
        ([HELD_BACK, 3, 3], 3),
        ([HELD_BACK, 3], None),
        ([HELD_BACK, HELD_BACK], None),
        ([5, 3, 3, 5], 3),
        ([], None),
    ],
)
def test_whose_most_claims_were(owners: list[int], main: int | None) -> None:
    assert main_owner(owners) == main


def members(*texts: str, author: str | None = None) -> list[Member]:
    found = claims_of([original(n, text, author=author) for n, text in enumerate(texts)])
    return [member_of(claims[0], claims[0].created_at_ms or 0) for claims in found]


def test_a_mention_taken_back_leaves_no_trace() -> None:
    first, second, third = members(*TAKEOVER[:3])
    narrative = Narrative(uid=1, narrative_id="n1")
    for member in (first, second):
        narrative.add(member)
    before = narrative.view()
    narrative.add(third)
    narrative.take_back([third], [first.at_ms, second.at_ms])
    assert narrative.view() == before
    assert narrative.distinct_voices == 2


def test_the_first_mention_taken_back_is_no_longer_the_first() -> None:
    first, second, third = members(*TAKEOVER[:3])
    narrative = Narrative(uid=1, narrative_id="n1")
    for member in (first, second, third):
        narrative.add(member)
    narrative.take_back([first], [second.at_ms, third.at_ms])
    assert (narrative.first_ms, narrative.last_ms) == (second.at_ms, third.at_ms)
    narrative.settle(second)
    narrative.take_back([third], [])
    assert (narrative.first_ms, narrative.last_ms) == (second.at_ms, second.at_ms)


def test_an_author_stays_while_another_comment_does() -> None:
    first, second = members(*TAKEOVER[:2], author="same")
    narrative = Narrative(uid=1, narrative_id="n1")
    narrative.add(first)
    narrative.add(second)
    narrative.take_back([first], [second.at_ms])
    assert len(narrative.authors) == 1
    narrative.take_back([second], [])
    assert narrative.authors == {}
    assert narrative.mentions == 0
    assert narrative.distinct_voices == 0


def test_a_copy_taken_back_is_one_copy_less() -> None:
    text = "The national cloud project is already insolvent and they hide the accounts from every citizen"
    copies = members(*[text + "!" * n for n in range(5)])
    narrative = Narrative(uid=1, narrative_id="n1")
    for member in copies:
        narrative.add(member)
    assert narrative.copies == 5
    narrative.take_back([copies[2]], [member.at_ms for member in copies])
    assert (narrative.copies, narrative.distinct_voices) == (4, 1)


def rows_of(dense: np.ndarray) -> np.ndarray:
    rest = np.zeros((len(dense), LEXICAL_DIMENSIONS + 2), dtype=np.float32)
    return np.concatenate([dense.astype(np.float32), rest], axis=1)


def test_inside_a_thread_what_all_share_does_not_count() -> None:
    shared, one, other = np.eye(3)
    rows = rows_of(np.stack([shared + 0.3 * one] * 200 + [shared + 0.3 * other] * 200))
    threads = [thread_key("s", "t")] * len(rows)
    context = Context(0.1)
    context.measure(threads, rows)
    inside = context.inside(threads, rows)
    assert float(rows[0] @ rows[-1]) > 0.9
    assert float(inside[0] @ inside[-1]) < 0.0
    assert np.allclose(np.linalg.norm(inside, axis=1), np.linalg.norm(rows, axis=1), atol=1e-5)


def test_a_young_thread_has_hardly_a_mean() -> None:
    shared, one, _ = np.eye(3)
    rows = rows_of(np.stack([shared + 0.3 * one] * 3))
    threads = [thread_key("s", "t")] * 3
    context = Context(0.1)
    context.measure(threads, rows)
    inside = context.inside(threads, rows)
    assert float(inside[0] @ inside[1]) > 0.9 * float(rows[0] @ rows[1])


def test_what_left_the_window_still_counts_in_the_mean() -> None:
    shared, one, _ = np.eye(3)
    rows = rows_of(np.stack([shared + 0.3 * one] * 60))
    threads = [thread_key("s", "t")] * 60
    whole, slid = Context(0.1), Context(0.1)
    whole.measure(threads, rows)
    for row in rows[:40]:
        slid.settle(threads[0], row)
    slid.measure(threads[40:], rows[40:])
    assert np.allclose(whole.inside(threads[:1], rows[:1]), slid.inside(threads[:1], rows[:1]), atol=1e-6)


def gained(
    parts: Parts, thread: str, plain: NDArray[np.float32], inside: NDArray[np.float32], worth: float
) -> dict[int, float]:
    uids, gains = parts.gains(thread, plain, inside, worth)
    return dict(zip(uids, gains.tolist(), strict=True))


@given(seed=st.integers(0, 2**32 - 1), settled=st.booleans())
def test_parts_correct_products_pair_by_pair(seed: int, settled: bool) -> None:
    """The sums give what going through all pairs of claims gives."""
    random = np.random.default_rng(seed)
    count, dense = 14, 5
    plain = random.normal(size=(count, dense)).astype(np.float32)
    inside = random.normal(size=(count, dense)).astype(np.float32)
    threads = [random.choice(["", "t1", "t2"]) for _ in range(count)]
    owners = [int(random.integers(-1, 3)) for _ in range(count)]
    worth = {"t1": 0.3, "t2": 0.1}
    parts = Parts(dense)
    if settled:
        for place, owner in enumerate(owners):
            if owner != HELD_BACK:
                parts.settle(threads[place], owner, plain[place], inside[place])
    else:
        parts.refresh(threads, plain, inside, owners)
    free = [place for place, owner in enumerate(owners) if owner == HELD_BACK]
    uids = sorted(set(owners) - {HELD_BACK})
    items = [[place] for place in free]
    items += [[place for place, owner in enumerate(owners) if owner == uid] for uid in uids]

    def gain(i: int, j: int) -> float:
        if not threads[i] or threads[i] != threads[j]:
            return 0.0
        return float(inside[i] @ inside[j] - plain[i] @ plain[j]) + worth[threads[i]]

    expected = np.array([[sum(gain(i, j) for i in one for j in other) for other in items] for one in items])
    products = np.zeros((len(items), len(items)), dtype=np.float32)
    parts.correct(
        products,
        [threads[place] for place in free],
        plain[free],
        inside[free],
        uids=uids,
        worth=worth.__getitem__,
        rest=Rest(plain[:0], inside[:0], [], []) if settled else None,
    )
    off = ~np.eye(len(items), dtype=bool)
    assert np.allclose(products[off], expected[off], atol=1e-3)
    if settled:
        parts.refresh([], plain[:0], inside[:0], [])
    for place in free:
        gains = gained(parts, threads[place], plain[place], inside[place], worth.get(threads[place], 0.0))
        for uid in uids:
            of = [other for other, owner in enumerate(owners) if owner == uid]
            assert gains.get(uid, 0.0) == pytest.approx(sum(gain(place, j) for j in of), abs=1e-3)


def test_parts_of_merged_narratives_are_one() -> None:
    parts = Parts(2)
    one, other = np.array([1.0, 0.0], dtype=np.float32), np.array([0.0, 1.0], dtype=np.float32)
    parts.add("t", 1, one, one)
    parts.add("t", 2, other, other)
    parts.add("u", 2, other, other)
    parts.merge(1, 2)
    assert gained(parts, "t", one * 0, one + other, 0.5) == {1: pytest.approx(3.0)}
    assert parts.uids(["t", "u"]) == {1}
    parts.drop(1)
    assert parts.uids(["t", "u"]) == set()


def told(outcome: Outcome) -> dict[str, set[str]]:
    """The comments of each narrative, as the mentions say, under the ids that live on."""
    into = {e.narrative_id: e.into for e in outcome.events if e.type is EventType.MERGED}

    def final(narrative_id: str) -> str:
        while (known := into.get(narrative_id)) is not None:
            narrative_id = known
        return narrative_id

    last: dict[tuple[str, str], Mention] = {
        (final(m.narrative_id), m.comment_id): m for m in outcome.mentions
    }
    comments: dict[str, set[str]] = {}
    for (narrative_id, comment_id), mention in last.items():
        if not mention.withdrawn:
            comments.setdefault(narrative_id, set()).add(comment_id)
    return comments


TEXTS = [*TAKEOVER, *CHATTER, *(text.replace("takeover", "merger") for text in TAKEOVER)]


@settings(max_examples=15, deadline=None)
@given(order=st.lists(st.sampled_from(range(len(TEXTS))), min_size=20, max_size=50))
def test_mentions_always_add_up_to_the_narratives(order: list[int]) -> None:
    """Whatever moved, what was told is what is counted."""
    engine = Engine(DIMENSIONS, RESTLESS)
    comments = claims_of([original(n, TEXTS[place]) for n, place in enumerate(order)])
    outcome = engine.observe(comments)
    views = {view.narrative_id: view for view in engine.narratives()}
    assert {key: len(found) for key, found in told(outcome).items() if key in views} == {
        key: view.mentions for key, view in views.items()
    }
    ids = [e.narrative_id for e in outcome.events if e.type is EventType.EMERGED]
    assert max(Counter(ids).values(), default=1) == 1, "an id is given once"
    for view in views.values():
        assert view.authors == view.mentions  # everyone wrote once
        assert sum(view.threads.values()) == view.mentions
        assert view.copies <= view.mentions
        assert view.first_seen <= view.last_seen


def test_claims_do_move_and_splits_name_their_origin() -> None:
    """The restless engine of these tests really revises; otherwise the test above says nothing."""
    withdrawn = moved_out = 0
    for seed in range(6):
        random = np.random.default_rng(seed)
        order = random.permutation(len(TEXTS)).tolist() * 2
        engine = Engine(DIMENSIONS, RESTLESS)
        outcome = engine.observe(claims_of([original(n, TEXTS[p]) for n, p in enumerate(order)]))
        withdrawn += sum(mention.withdrawn for mention in outcome.mentions)
        emerged = [e for e in outcome.events if e.type is EventType.EMERGED]
        known = {e.narrative_id for e in emerged}
        origins = {e.out_of for e in emerged} - {None}
        moved_out += len(origins)
        assert origins <= known
    assert withdrawn > 0
    assert moved_out > 0


def test_who_reads_merged_narratives_as_one_counts_what_the_narrative_counts() -> None:
    merges = 0
    for seed in range(12):
        random = np.random.default_rng(seed)
        order = random.permutation(len(TEXTS)).tolist() * 3
        comments = claims_of([original(n % 50, TEXTS[p]) for n, p in enumerate(order)])  # with edits
        engine = Engine(DIMENSIONS, RESTLESS)
        outcome = engine.observe(comments)
        into = {e.narrative_id: e.into for e in outcome.events if e.into is not None}
        merges += len(into)
        last: dict[tuple[str, str], bool] = {}
        for mention in outcome.mentions:
            narrative = mention.narrative_id
            while narrative in into:
                narrative = into[narrative]
            last[narrative, mention.comment_id] = mention.withdrawn
        standing = Counter(narrative for (narrative, _), withdrawn in last.items() if not withdrawn)
        assert standing == {view.narrative_id: view.mentions for view in engine.narratives() if view.mentions}
    assert merges


@settings(max_examples=10, deadline=None)
@given(cuts=st.lists(st.integers(1, 35), max_size=4))
def test_revisions_depend_neither_on_batches_nor_on_snapshots(cuts: list[int]) -> None:
    order = np.random.default_rng(3).permutation(len(TEXTS)).tolist() * 2
    comments = claims_of([original(n, TEXTS[place]) for n, place in enumerate(order)])
    whole = Engine(DIMENSIONS, RESTLESS)
    expected = whole.observe(comments)
    engine, mentions, events = Engine(DIMENSIONS, RESTLESS), [], []
    pieces: dict[str, bytes] = {}
    for start, end in pairwise([0, *sorted(set(cuts)), len(comments)]):
        outcome = engine.observe(comments[start:end])
        mentions += outcome.mentions
        events += outcome.events
        changes = engine.changes()
        pieces |= changes.pieces
        for name in changes.dropped:
            pieces.pop(name, None)
        by_pieces, at_once = Engine(DIMENSIONS, RESTLESS), Engine(DIMENSIONS, RESTLESS)
        by_pieces.restore_unpacked(unpack_pieces(dict(pieces)))
        at_once.restore(engine.snapshot())
        assert by_pieces.narratives() == at_once.narratives() == engine.narratives()
        engine = by_pieces
    assert mentions == expected.mentions
    assert events == expected.events
    assert engine.narratives() == whole.narratives()
