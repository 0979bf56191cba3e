"""The metric of sentence vectors: what it does to rows, whose vectors it is for, and how it is fitted."""

import numpy as np
import pytest

from models.background import Background
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


def test_rows_are_measured_by_it() -> None:
    vectors = np.random.default_rng(8).standard_normal((4, 16)).astype(np.float32)
    texts, substance = [terms(f"claim {number}") for number in range(4)], np.zeros(4, dtype=np.float32)
    with_it = Representation(16, Background(metric=metric(16)))
    without = Representation(16)
    plain, measured = (one.rows(["en"] * 4, vectors, texts, substance) for one in (without, with_it))
    assert np.sum(measured[:, :16] ** 2, axis=1) == pytest.approx([DENSE_SHARE] * 4, rel=1e-5)
    expected = metric(16).of(vectors)
    cosines = expected @ expected.T / np.outer(*[np.linalg.norm(expected, axis=1)] * 2)
    assert measured[:, :16] @ measured[:, :16].T == pytest.approx(DENSE_SHARE * cosines, abs=1e-5)
    assert np.array_equal(plain[:, 16:], measured[:, 16:])
    assert not np.allclose(plain[:, :16], measured[:, :16])
    alone = with_it.row("en", vectors[1], texts[1], 0.0)
    assert alone == pytest.approx(measured[1], abs=1e-6)


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
