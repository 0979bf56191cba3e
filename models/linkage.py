"""Average-linkage clustering of items that have sizes, cut at a similarity.

The similarity of two clusters is the mean inner product over all pairs of their members, so an item may
itself stand for many members: its row is then their sum. Greedy agglomeration, the closest pair first; with
average linkage this equals the textbook dendrogram cut at the threshold. Memory and time are about O(n^2).
"""

import numpy as np
from numpy.typing import NDArray

__all__ = ["average_linkage"]

_NEVER = -np.inf

Sizes = NDArray[np.float64] | np.float64


def average_linkage(
    products: NDArray[np.float32], sizes: NDArray[np.float64], threshold: float, doubt: float = 0.0
) -> NDArray[np.intp]:
    """The cluster of each of n items, named by the lowest item in it: (n,).

    products: (n, n) inner products of the items' sums. sizes: (n,) members of each, at least 1.
    threshold: clusters are joined while their mean similarity is at least this.
    Raises ValueError when shapes do not fit.
    """
    count = len(sizes)
    if products.shape != (count, count):
        raise ValueError(f"products are {products.shape}, not ({count}, {count})")
    state = _Agglomeration(products.astype(np.float64), sizes.astype(np.float64), doubt)
    while (pair := state.closest(threshold)) is not None:
        state.join(*pair)
    return state.labels


class _Agglomeration:
    """Products, similarities and, for each live item, its nearest other."""

    def __init__(self, products: NDArray[np.float64], sizes: NDArray[np.float64], doubt: float) -> None:
        self._doubt = doubt
        self.labels = np.arange(len(sizes))
        self._products, self._sizes = products, sizes
        self._alive = np.ones(len(sizes), dtype=np.bool_)
        self._similar = products / _weights(sizes[:, None], sizes[None, :], doubt)
        np.fill_diagonal(self._similar, _NEVER)
        self._nearest = self._similar.argmax(axis=1) if len(sizes) else np.zeros(0, dtype=np.intp)
        self._best = self._similar[np.arange(len(sizes)), self._nearest]

    def closest(self, threshold: float) -> tuple[int, int] | None:
        """The most similar pair, lower item first; None when no pair reaches the threshold."""
        if not len(self._best):
            return None
        item = int(self._best.argmax())
        if not self._best[item] >= threshold:
            return None
        other = int(self._nearest[item])
        return min(item, other), max(item, other)

    def join(self, keep: int, gone: int) -> None:
        """Put one cluster into another."""
        self._products[keep] += self._products[gone]
        self._products[:, keep] += self._products[:, gone]
        self._sizes[keep] += self._sizes[gone]
        self._alive[gone] = False
        self.labels[self.labels == gone] = keep
        self._similar[gone], self._similar[:, gone] = _NEVER, _NEVER
        row = self._products[keep] / _weights(self._sizes[keep], self._sizes, self._doubt)
        row[~self._alive] = _NEVER
        row[keep] = _NEVER
        self._similar[keep], self._similar[:, keep] = row, row
        self._best[gone] = _NEVER
        self._refresh(keep, gone, row)

    def _refresh(self, keep: int, gone: int, row: NDArray[np.float64]) -> None:
        stale = self._alive & ((self._nearest == keep) | (self._nearest == gone))
        stale[keep] = True
        items = np.flatnonzero(stale)
        self._nearest[items] = self._similar[items].argmax(axis=1)
        self._best[items] = self._similar[items, self._nearest[items]]
        closer = np.flatnonzero(self._alive & (row > self._best))
        self._nearest[closer], self._best[closer] = keep, row[closer]


def _weights(a: Sizes, b: NDArray[np.float64], doubt: float) -> NDArray[np.float64]:
    return np.multiply(a, b) + doubt
