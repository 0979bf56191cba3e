"""The window: what stays in it, which threads are revised on their own, and what rapid traffic changes."""

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.context import Context, ThreadSize
from models.engine import Engine
from models.grouping import Grouping, View
from models.lexical import terms
from models.narrative import HELD_BACK, member_of
from models.parameters import Parameters
from models.representation import Representation
from models.types import Claim
from models.window import Window
from tests.models.claim_factory import CHATTER, DIMENSIONS, TAKEOVER, claims_of, original

SMALL = Parameters(
    young_claims=4,
    window_claims=8,
    reviews_per_window=4,
    thread_claims=12,
    revisions_per_thread=4,
    kept_claims=20,
    min_authors=2,
)


def claims(threads: Sequence[str], *, minutes: float = 10.0) -> list[list[Claim]]:
    """A comment for each thread, in order, so many minutes apart."""
    texts = [text for pair in zip(TAKEOVER * 2, CHATTER, strict=True) for text in pair]
    comments = [
        original(n, f"{texts[n % len(texts)]} {n % 7}", author=f"a{n % 9}", minutes=n * minutes)
        for n in range(len(threads))
    ]
    return claims_of(
        [msgspec.structs.replace(one, thread=thread) for one, thread in zip(comments, threads, strict=True)]
    )


def window_of(threads: Sequence[str]) -> Window:
    window = Window()
    for (claim,) in claims(threads):
        vector = np.zeros(DIMENSIONS, dtype=np.float32)
        window.append(member_of(claim, claim.created_at_ms or 0), vector, terms(claim.text), HELD_BACK)
    return window


def test_the_latest_claims_of_a_thread_stay_longer_than_the_latest_of_all() -> None:
    window = window_of(["quiet"] * 3 + ["busy"] * 20)
    assert window.over(SMALL, by_thread=True) == list(range(3, 11))
    assert window.over(SMALL, by_thread=False) == list(range(15))


def test_of_more_than_may_be_kept_the_oldest_go() -> None:
    window = window_of([f"thread {n % 5}" for n in range(40)])
    assert window.over(SMALL, by_thread=True) == list(range(20))


def test_claims_without_thread_have_no_window_of_their_own() -> None:
    window = window_of(["", "t"] * 8)
    assert window.over(SMALL, by_thread=True) == [0, 2, 4, 6]


def test_a_thread_is_due_after_every_fourth_of_its_window_if_more_of_it_is_kept() -> None:
    window = window_of(["old"] * 4 + ["new"] * 8 + ["old"])
    old, new = window.threads()[0], window.threads()[4]
    for read, due in ((6, [[0, 1, 2, 3, 12]]), (7, [])):
        sizes = {old: ThreadSize(read, 0), new: ThreadSize(8, 0)}
        assert window.threads_due(SMALL, sizes, 1) == due
    long = msgspec.structs.replace(SMALL, window_claims=16)
    assert window.threads_due(long, {old: ThreadSize(6, 0)}, 1) == []


@settings(max_examples=10, deadline=None)
@given(cuts=st.lists(st.integers(1, 110), max_size=4), minutes=st.sampled_from([10.0, 0.0001]))
def test_windows_by_thread_depend_neither_on_batches_nor_on_snapshots(
    cuts: list[int], minutes: float
) -> None:
    comments = claims([f"thread {n % 3}" for n in range(112)], minutes=minutes)
    whole = Engine(DIMENSIONS, SMALL)
    expected = whole.observe(comments)
    engine, mentions, events = Engine(DIMENSIONS, SMALL), [], []
    for start, end in pairwise([0, *sorted(set(cuts)), len(comments)]):
        outcome = engine.observe(comments[start:end])
        mentions += outcome.mentions
        events += outcome.events
        again = Engine(DIMENSIONS, SMALL)
        again.restore(engine.snapshot())
        engine = again
    assert mentions == expected.mentions
    assert events == expected.events
    assert engine.narratives() == whole.narratives()


def test_what_was_told_adds_up_with_windows_by_thread() -> None:
    engine = Engine(DIMENSIONS, SMALL)
    outcome = engine.observe(claims([f"thread {n % 3}" for n in range(200)]))
    into = {event.narrative_id: event.into for event in outcome.events if event.into is not None}
    last: dict[tuple[str, str], bool] = {}
    for mention in outcome.mentions:
        narrative = mention.narrative_id
        while narrative in into:
            narrative = into[narrative]
        last[narrative, mention.comment_id] = mention.withdrawn
    standing = Counter(narrative for (narrative, _), withdrawn in last.items() if not withdrawn)
    assert standing == {view.narrative_id: view.mentions for view in engine.narratives() if view.mentions}
    assert engine.narratives()


@pytest.mark.parametrize(("minutes", "reviews"), [(10.0, 100), (0.0001, 34)])
def test_rapid_traffic_is_reviewed_by_the_half_window(
    monkeypatch: pytest.MonkeyPatch, minutes: float, reviews: int
) -> None:
    looks: list[int] = []
    look = Grouping.look

    def counted(one: Grouping, window: Window, representation: Representation, context: Context) -> View:
        looks.append(len(window))
        return look(one, window, representation, context)

    monkeypatch.setattr(Grouping, "look", counted)
    one = Engine(DIMENSIONS, SMALL)
    one.observe(claims(["t"] * 100, minutes=minutes))
    assert len(looks) == pytest.approx(reviews, abs=4)
    assert one.narratives()
