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
    found = metric(4).of(np.ones((3, 4), dtype=np.float32))
    assert found == pytest.approx(np.tile([2.0, 0.5, 1.0, 1.0], (3, 1)))


def test_one_vector_is_as_many() -> None:
    vectors = np.random.default_rng(7).standard_normal((5, 16)).astype(np.float32)
    together = metric(16).of(vectors)
    for vector in vectors:
        metric(16).of_one(vector)
    assert vectors == pytest.approx(together, abs=1e-6)


def seen(metric: Metric | None, thread: str, rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Dense parts as a context sees them that knows the thread "t"."""
    context = Context(0.1, metric)
    context.measure(["t"] * len(rows), rows)
    together = context.inside([thread] * len(rows), rows)
    for row, one in zip(rows, together, strict=True):
        assert context.inside_one(thread, row[: one.size]) == pytest.approx(one, abs=1e-6)
    return together


def test_claims_are_measured_by_it_inside_their_thread() -> None:
    vectors = np.random.default_rng(8).standard_normal((4, 16)).astype(np.float32)
    texts, substance = [terms(f"claim {number}") for number in range(4)], np.zeros(4, dtype=np.float32)
    rows = Representation(16).rows(["en"] * 4, vectors, texts, substance)
    dense = rows[:, :16]
    plain, measured = (seen(one, "t", rows) for one in (None, metric(16)))
    assert np.linalg.norm(measured, axis=1) == pytest.approx(np.linalg.norm(dense, axis=1), rel=1e-5)
    expected = metric(16).of(plain)
    cosines = expected @ expected.T / np.outer(*[np.linalg.norm(expected, axis=1)] * 2)
    assert measured @ measured.T == pytest.approx(DENSE_SHARE * cosines, abs=1e-5)
    # A thread that is not known has no mean yet; without a thread there is nothing to be inside of.
    stretched = metric(16).of(dense)
    stretched *= np.linalg.norm(dense, axis=1, keepdims=True) / np.linalg.norm(
        stretched, axis=1, keepdims=True
    )
    assert seen(metric(16), "other", rows) == pytest.approx(stretched, abs=1e-5)
    assert np.array_equal(seen(metric(16), "", rows), dense)


def test_what_ships_is_for_one_model() -> None:
    shipped = metric_of(f"{MODEL} (packaged copy)")
    assert shipped is not None
    assert shipped.dimensions == 384
    one = np.random.default_rng(9).standard_normal((1, 384)).astype(np.float32)
    one /= np.linalg.norm(one)
    assert 0.5 < np.linalg.norm(shipped.of(one)) < 1.5
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
