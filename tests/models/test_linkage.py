"""Average linkage against scipy's dendrogram, and with items that stand for several members."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import squareform
from sklearn.metrics import adjusted_rand_score

from models.linkage import average_linkage


def rows_of(seed: int, count: int) -> NDArray[np.float32]:
    rows = np.random.default_rng(seed).normal(size=(count, 6)).astype(np.float32)
    unit: NDArray[np.float32] = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return unit


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 10_000), st.integers(2, 40), st.floats(-0.5, 0.9))
def test_it_is_the_dendrogram_cut_at_the_threshold(seed: int, count: int, threshold: float) -> None:
    rows = rows_of(seed, count)
    products = rows @ rows.T
    labels = average_linkage(products, np.ones(count), threshold)
    distances = np.clip(1.0 - products.astype(np.float64), 0.0, None)
    np.fill_diagonal(distances, 0.0)
    tree = linkage(squareform((distances + distances.T) / 2.0, checks=False), "average")
    expected = fcluster(tree, 1.0 - threshold, "distance")
    assert adjusted_rand_score(expected, labels) == pytest.approx(1.0)


def test_an_item_may_stand_for_several_members() -> None:
    a, b = np.array([1.0, 0.0]), np.array([0.0, 1.0])
    sums = np.stack([3 * a, a, b])
    labels = average_linkage((sums @ sums.T).astype(np.float32), np.array([3.0, 1.0, 1.0]), 0.9)
    assert labels.tolist() == [0, 0, 2]


def test_nothing_is_clustered_into_nothing() -> None:
    assert average_linkage(np.zeros((0, 0), dtype=np.float32), np.zeros(0), 0.5).tolist() == []


def test_shapes_must_fit() -> None:
    with pytest.raises(ValueError, match="products"):
        average_linkage(np.zeros((2, 3), dtype=np.float32), np.ones(2), 0.5)
