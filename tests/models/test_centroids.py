"""Centroids: the narrative that a claim belongs to is found, however many there are and whatever happened."""

from collections.abc import Sequence
from functools import partial

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from models.centroids import Centroids, Glance
from models.engine import Engine
from models.lexical import LEXICAL_DIMENSIONS
from models.outcome import Event, Mention
from models.representation import mirrored
from tests.models.claim_factory import DIMENSIONS, claims_of, original, story
from tests.worlds import read_world

DENSE = 96  # no multiple of what it is folded into
WIDTH = DENSE + LEXICAL_DIMENSIONS + 2
NARRATIVES = 900
THRESHOLD = 0.12
THRESHOLDS = np.full(8, THRESHOLD, dtype=np.float32)
IDLE_FACTOR, DOUBT = 2.0, 0.7
Rows = NDArray[np.float32]


def unit(rows: Rows) -> Rows:
    scaled: Rows = rows / np.linalg.norm(rows, axis=1, keepdims=True).astype(np.float32)
    return scaled


class Topics:
    """Claims about topics: dense directions and sparse terms of their own, mixed with anything."""

    def __init__(self, count: int) -> None:
        self._rng = np.random.default_rng(20)
        self._dense = unit(self._rng.standard_normal((count, DENSE)).astype(np.float32))
        self._terms = self._rng.integers(LEXICAL_DIMENSIONS, size=(count, 30))

    def claims(self, topics: Sequence[int]) -> Rows:
        count = len(topics)
        rows = np.zeros((count, WIDTH), dtype=np.float32)
        noise = unit(self._rng.standard_normal((count, DENSE)).astype(np.float32))
        rows[:, :DENSE] = np.sqrt(0.6) * unit(0.6 * self._dense[topics] + 0.8 * noise)
        lexical = np.zeros((count, LEXICAL_DIMENSIONS), dtype=np.float32)
        places = np.arange(count)[:, None]
        lexical[places, self._terms[topics][:, :15]] += 1.0
        lexical[places, self._rng.integers(LEXICAL_DIMENSIONS, size=(count, 40))] += 1.0
        rows[:, DENSE:-2] = np.sqrt(0.4) * unit(lexical - 0.05)
        rows[:, -2] = 0.03 * self._rng.standard_normal(count)
        rows[:, -1] = 1.0
        return rows


def of_topics(topics: Topics, exact_up_to: int) -> tuple[Centroids, list[int]]:
    """Centroids of narratives with three to seven claims each; two thirds of them are idle."""
    one = Centroids(WIDTH, IDLE_FACTOR, DOUBT, exact_up_to=exact_up_to)
    uids = [one.create(0) for _ in range(NARRATIVES)]
    for uid in uids:
        for row in topics.claims([uid] * (3 + uid % 5)):
            one.add(uid, row, uid)
            if uid % 3:
                one.settle(uid, row)
    left = [uid for uid in uids if uid % 3 == 0 for _ in range(3)]
    one.refresh(topics.claims(left), np.array(left, dtype=np.int64))
    return one, uids


def both() -> tuple[Topics, Centroids, Centroids]:
    """The same narratives, searched by sketch and without one."""
    return (
        Topics(NARRATIVES),
        of_topics(Topics(NARRATIVES), 0)[0],
        of_topics(Topics(NARRATIVES), 10**6)[0],
    )


def nearest(one: Centroids, row: Rows, gains: dict[int, float] | None = None) -> tuple[int, float]:
    return nearest_of(one, one.glance(row[None, :], THRESHOLDS[:1]), 0, gains)


def nearest_of(
    one: Centroids, glance: Glance, place: int, gains: dict[int, float] | None = None
) -> tuple[int, float]:
    found = gains or {}
    return one.nearest(glance, place, list(found), np.array(list(found.values()), dtype=np.float32))


def assert_alike(quick: Centroids, exact: Centroids, rows: Rows, *, gains: dict[int, float]) -> int:
    """At least 99 of 100 rows above the threshold find the same; returns how many are above it."""
    pairs = [(nearest(quick, row, gains), nearest(exact, row, gains)) for row in rows]
    above = [(found, right) for found, right in pairs if max(found[1], right[1]) >= THRESHOLD]
    same = [(found, right) for found, right in above if found[0] == right[0]]
    assert len(same) >= 0.99 * len(above)
    for (_, found), (_, right) in same:
        assert found == pytest.approx(right, abs=1e-5)
    return len(above)


def test_the_sketch_finds_what_an_exact_search_finds() -> None:
    topics, quick, exact = both()
    rows = topics.claims(list(range(NARRATIVES)))
    assert assert_alike(quick, exact, rows, gains={}) > NARRATIVES // 2


def test_a_thread_adds_to_its_narratives() -> None:
    topics, quick, exact = both()
    rows = topics.claims(list(range(0, NARRATIVES, 3)))
    gains = dict.fromkeys(range(10), 1.5)
    assert_alike(quick, exact, rows, gains=gains)
    assert nearest(quick, rows[0], {5: 20.0})[0] == 5


def test_the_sketch_goes_with_every_change() -> None:
    topics, quick, exact = both()
    rng = np.random.default_rng(4)
    alive = list(range(NARRATIVES))
    for _ in range(6):
        fresh = topics.claims(alive[:40])
        owners = np.array(alive[:40], dtype=np.int64)
        news = topics.claims([0])[0]
        gone, kept, old = (int(uid) for uid in rng.choice(alive[40:], 3, replace=False))
        for one in (quick, exact):
            one.add(kept, news, 5_000)
            nearest(one, news)
            one.merge(kept, gone)
            one.drop(old)
            one.refresh(fresh, owners)
            one.add(one.create(6_000), news, 6_000)
        alive = [uid for uid in alive if uid not in (gone, old)]
        assert_alike(quick, exact, topics.claims(alive[::4]), gains={})
        assert parts(quick) == parts(loaded(quick))


def test_claims_that_look_together_find_what_they_find_one_by_one() -> None:
    topics, together, _ = both()
    alone = loaded(together)
    owners = list(range(0, NARRATIVES, 2))
    rows = topics.claims(owners * 2)  # each narrative is met again after it has grown
    glance = together.glance(rows, np.full(len(rows), THRESHOLD, dtype=np.float32))
    joined = 0
    for place, row in enumerate(rows):
        gains = {owners[place % 7]: 0.8, owners[place % 11]: 0.1} if place % 3 == 0 else {}
        found = nearest_of(together, glance, place, gains)
        assert found == nearest(alone, row, gains)
        if found[1] >= THRESHOLD:
            joined += 1
            for one in (together, alone):
                one.add(found[0], row, 9_000)
        if place % 20 == 0:
            for one in (together, alone):
                one.drop(owners[place % len(owners)] + 1)
                one.add(one.create(9_000), row, 9_000)
    assert joined > len(rows) // 2


def test_a_glance_at_a_few_narratives_serves_when_they_are_many() -> None:
    topics, one, _ = both()
    rows = topics.claims([3] * 5)
    before = of_topics(Topics(NARRATIVES), 10**6)[0].glance(rows, THRESHOLDS[:5])
    assert [nearest_of(one, before, place) for place in range(5)] == [nearest(one, row) for row in rows]


def loaded(one: Centroids) -> Centroids:
    again = Centroids(WIDTH, IDLE_FACTOR, DOUBT, exact_up_to=0)
    again.load(one.state(), [(uid, one.kept(uid)) for uid in sorted(one._slot_of)])
    return again


def parts(one: Centroids) -> list[bytes]:
    sketch = one._fresh_sketch()
    tables = sketch._tables
    return [array.tobytes() for array in (tables.facts, tables.scale, tables.coarse, tables.fine)]


def test_what_was_loaded_answers_to_the_bit() -> None:
    topics, quick, _ = both()
    first, more = topics.claims([3, 4, 5]), topics.claims(list(range(0, NARRATIVES, 5)))
    for uid, row in enumerate(first):
        nearest(quick, row)
        quick.add(uid, row, 9_000)
    quick.drop(7)
    again = loaded(quick)
    for row in more:
        found = nearest(quick, row)
        assert nearest(again, row) == found
        if found[1] >= THRESHOLD:
            for one in (quick, again):
                one.add(found[0], row, 9_000)


def test_few_narratives_are_searched_exactly() -> None:
    topics = Topics(20)
    one = Centroids(WIDTH, IDLE_FACTOR, DOUBT)
    rows = topics.claims(range(20))
    for row in rows:
        one.add(one.create(0), row, 0)
    sums = np.zeros((64, WIDTH), dtype=np.float32)
    sums[:20] = rows
    for row in topics.claims(range(20)):
        means = (sums[:20] @ mirrored(row)) / np.float32(1.0)
        means *= np.float32(1.0) / (np.float32(1.0) + np.float32(DOUBT))
        uid, similarity = nearest(one, row)
        assert uid == int(means.argmax())
        assert similarity == pytest.approx(float(means.max()), abs=1e-6)


def test_without_narratives_nothing_is_near() -> None:
    one = Centroids(WIDTH, IDLE_FACTOR, DOUBT, exact_up_to=0)
    row = Topics(1).claims([0])[0]
    assert nearest(one, row) == (-1, -2.0)
    one.add(one.create(0), row, 0)
    one.drop(0)
    assert nearest(one, row) == (-1, -2.0)


def test_a_settled_claim_stays_when_the_window_has_moved_on() -> None:
    one = Centroids(WIDTH, IDLE_FACTOR, DOUBT)
    uid = one.create(0)
    old, new = Topics(1).claims([0, 0])
    one.add(uid, old, 0)
    one.settle(uid, old)
    one.refresh(new[None, :], np.array([uid], dtype=np.int64))
    assert one.mean(uid) == pytest.approx((old + new) / 2.0)
    one.refresh(new[None, :], np.array([-1], dtype=np.int64))
    one.refresh(new[None, :], np.array([-1], dtype=np.int64))
    assert one.mean(uid) == pytest.approx(old)


def test_an_engine_with_a_sketch_depends_neither_on_batches_nor_on_snapshots(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("models.engine.Centroids", partial(Centroids, exact_up_to=0))
    comments = story(repeats=2)
    whole = Engine(DIMENSIONS)
    events = whole.observe(comments).events
    pieces = Engine(DIMENSIONS)
    told: list[Event] = []
    for place, comment in enumerate(comments):
        told += pieces.observe([comment]).events
        if place % 3 == 0:
            kept = pieces.snapshot()
            pieces = Engine(DIMENSIONS)
            pieces.restore(kept)
    assert told == events
    assert pieces.narratives() == whole.narratives()


def test_a_busy_stream_depends_neither_on_batches_nor_on_how_claims_look(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Hundreds of comments a minute: many are compared between two reviews, and some were edited."""
    said = [comment.text for world in ("a", "b") for comment in read_world(world).comments]
    originals = [original(number, text, minutes=number / 400) for number, text in enumerate(said)]
    originals += [
        msgspec.structs.replace(
            one, text=f"{one.text} Edited: that was wrong.", created_at_ms=last.created_at_ms
        )
        for one, last in zip(originals[::40], originals[-20:], strict=False)
    ]
    comments = claims_of(originals)
    for number in range(0, len(comments), 9):  # these say nothing
        comments[number] = [msgspec.structs.replace(one, vector=b"") for one in comments[number]]
    outcomes = []
    for exact_up_to, together in ((0, len(comments)), (0, 1), (0, 7), (20, 50)):
        monkeypatch.setattr("models.engine.Centroids", partial(Centroids, exact_up_to=exact_up_to))
        engine, told = Engine(DIMENSIONS), list[tuple[list[Event], list[Mention]]]()
        for start in range(0, len(comments), together):
            outcome = engine.observe(comments[start : start + together])
            told.append((outcome.events, outcome.mentions))
        events, mentions = ([one for part in told for one in part[k]] for k in range(2))
        outcomes.append((events, mentions, engine.narratives()))
    whole, *others = outcomes
    assert len(whole[2]) > 20
    assert others[0] == others[1] == whole
    # Exact or not, what is found is nearly the same.
    assert len(others[2][2]) == pytest.approx(len(whole[2]), rel=0.05)
