"""The metric of sentence vectors: what it does to rows, whose vectors it is for, and how it is fitted."""

import numpy as np
import pytest
from numpy.typing import NDArray

from models.context import Context
from models.lexical import terms
from models.metric import Metric, metric_of
from models.representation import DENSE_SHARE, Representation
from tests.bench.metric import Examples, fit

MODEL = "intfloat/multilingual-e5-small"


def metric(dimensions: int) -> Metric:
    """Stretches the first direction, shortens the second."""
    return Metric(np.eye(dimensions)[:2], np.array([2.0, 0.5]))


def test_it_stretches_and_shortens() -> None:
    found = metric(4).of(np.ones((3, 4), dtype=np.float32), np.array([1.0, 0.5, 0.0], dtype=np.float32))
    assert found == pytest.approx(np.array([[2.0, 0.5, 1.0, 1.0], [1.5, 0.75, 1.0, 1.0], [1.0] * 4]))


def test_one_vector_is_as_many() -> None:
    vectors = np.random.default_rng(7).standard_normal((5, 16)).astype(np.float32)
    shares = np.linspace(0.2, 1.0, 5, dtype=np.float32)
    together = metric(16).of(vectors, shares)
    for vector, share in zip(vectors, shares.tolist(), strict=True):
        metric(16).of_one(vector, share)
    assert vectors == pytest.approx(together, abs=1e-6)


def seen(metric: Metric | None, thread: str, rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Dense parts as a context sees them that knows the thread "t"."""
    context = Context(0.1, metric)
    context.measure(["t"] * len(rows), rows)
    together = context.inside([thread] * len(rows), rows)
    for row, one in zip(rows, together, strict=True):
        assert context.inside_one(thread, row[: one.size]) == pytest.approx(one, abs=1e-6)
    return together


def claims(count: int) -> NDArray[np.float32]:
    """Rows, of which the first 16 columns are dense."""
    vectors = np.random.default_rng(8).standard_normal((count, 16)).astype(np.float32)
    texts, substance = [terms(f"claim {n}") for n in range(count)], np.zeros(count, dtype=np.float32)
    return Representation(16).rows(["en"] * count, vectors, texts, substance)


@pytest.mark.parametrize(("count", "share"), [(30, 0.2), (120, 0.5), (360, 0.75)])
def test_claims_are_measured_by_it_as_far_as_their_thread_is_known(count: int, share: float) -> None:
    rows = claims(count)
    dense = rows[:, :16]
    plain, measured = (seen(one, "t", rows) for one in (None, metric(16)))
    assert np.linalg.norm(measured, axis=1) == pytest.approx(np.linalg.norm(dense, axis=1), rel=1e-5)
    expected = metric(16).of(plain, np.full(count, share, dtype=np.float32))
    cosines = expected @ expected.T / np.outer(*[np.linalg.norm(expected, axis=1)] * 2)
    assert measured @ measured.T == pytest.approx(DENSE_SHARE * cosines, abs=1e-5)


@pytest.mark.parametrize("thread", ["other", ""])
def test_of_a_thread_that_is_not_known_nothing_is_told_apart(thread: str) -> None:
    rows = claims(4)
    assert np.array_equal(seen(metric(16), thread, rows), rows[:, :16])


def test_what_is_too_large_to_be_a_discussion_is_not_measured() -> None:
    rows, context = claims(4), Context(0.1, metric(16))
    for _ in range(2_000):
        context.count("t", 0.1, 0)
    context.measure(["t"] * 4, rows)
    plain = Context(0.1)
    plain.measure(["t"] * 4, rows)
    assert context.worth("t") == 0.0
    assert np.array_equal(context.inside(["t"] * 4, rows), plain.inside(["t"] * 4, rows))


def test_what_ships_is_for_one_model() -> None:
    shipped = metric_of(f"{MODEL} (packaged copy)")
    assert shipped is not None
    assert shipped.dimensions == 384
    one = np.random.default_rng(9).standard_normal((1, 384)).astype(np.float32)
    one /= np.linalg.norm(one)
    assert 0.5 < np.linalg.norm(shipped.of(one, np.ones(1, dtype=np.float32))) < 1.5
    assert metric_of("hash-384") is None


def test_fitting_finds_what_narratives_differ_in() -> None:
    chance = np.random.default_rng(10)
    narratives = np.repeat(np.arange(80), 5)
    rows = chance.standard_normal((400, 12)) * 0.1
    rows[:, 0] += chance.standard_normal(80)[narratives]  # what is claimed
    rows[:, 1] += chance.standard_normal(400)  # how it is put
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    known = Examples(rows, narratives.astype(str), (narratives // 4).astype(str))
    directions, gains = fit([known])
    by_column = {int(np.abs(one).argmax()): gain for one, gain in zip(directions, gains, strict=True)}
    assert by_column[0] == max(gains) > 1.0
    assert by_column[1] == min(gains) < 1.0
