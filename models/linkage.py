"""Average-linkage clustering of items that have sizes, cut at a similarity.

The similarity of two clusters is the mean inner product over all pairs of their members, so an item may
itself stand for many members: its row is then their sum. Greedy agglomeration, the closest pair first; with
average linkage this equals the textbook dendrogram cut at the threshold. Memory and time are about O(n^2).

Libraries know neither items with sizes nor doubt, so the loop is ours, and compiled.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

__all__ = ["average_linkage"]


def average_linkage(
    products: NDArray[np.float32], sizes: NDArray[np.float64], threshold: float, doubt: float = 0.0
) -> NDArray[np.intp]:
    """The cluster of each of n items, named by the lowest item in it: (n,).

    products: (n, n) inner products of the items' sums. sizes: (n,) members of each, at least 1.
    threshold: clusters are joined while their mean similarity is at least this. doubt: pairs of no similarity
    that count in every mean.  Raises ValueError when shapes do not fit.
    """
    count = len(sizes)
    if products.shape != (count, count):
        raise ValueError(f"products are {products.shape}, not ({count}, {count})")
    if not count:
        return np.zeros(0, dtype=np.intp)
    return _agglomerate(products.astype(np.float64), sizes.astype(np.float64), threshold, doubt)


@njit(cache=True)
def _agglomerate(
    products: NDArray[np.float64], sizes: NDArray[np.float64], threshold: float, doubt: float
) -> NDArray[np.intp]:
    """Joins the closest pair until none reaches the threshold; changes its arguments.

    Of each live item its nearest other is kept: after a join only those are looked for anew whose nearest
    was one of the two. Of equals the lowest item counts as nearest.
    """
    count = len(sizes)
    parent = np.arange(count)  # what an item was put into, always a lower one
    live = np.arange(count)  # ascending; the first `left` are alive
    left = count
    similar = np.empty_like(products)
    nearest = np.zeros(count, dtype=np.intp)
    best = np.empty(count)
    for item in range(count):
        for other in range(count):
            similar[item, other] = products[item, other] / (sizes[item] * sizes[other] + doubt)
        nearest[item], best[item] = _nearest(item, similar[item], live)
    while left > 1:
        first = live[0]
        for item in live[:left]:
            if best[item] > best[first]:
                first = item
        if not best[first] >= threshold:
            break
        keep, gone = min(first, nearest[first]), max(first, nearest[first])
        parent[gone] = keep
        left = _without(gone, live, left)
        sizes[keep] += sizes[gone]
        for item in live[:left]:
            products[keep, item] += products[gone, item]
            products[item, keep] = products[keep, item]
            similar[keep, item] = products[keep, item] / (sizes[keep] * sizes[item] + doubt)
            similar[item, keep] = similar[keep, item]
        for item in live[:left]:
            if item == keep or nearest[item] == keep or nearest[item] == gone:
                nearest[item], best[item] = _nearest(item, similar[item], live[:left])
            elif similar[keep, item] > best[item]:
                nearest[item], best[item] = keep, similar[keep, item]
    for item in range(count):
        parent[item] = parent[parent[item]]
    return parent


@njit(cache=True)
def _nearest(item: int, similar: NDArray[np.float64], live: NDArray[np.intp]) -> tuple[int, float]:
    nearest, best = item, -np.inf
    for other in live:
        if other != item and similar[other] > best:
            nearest, best = other, similar[other]
    return nearest, best


@njit(cache=True)
def _without(gone: int, live: NDArray[np.intp], left: int) -> int:
    for place in range(np.searchsorted(live[:left], gone), left - 1):
        live[place] = live[place + 1]
    return left - 1
