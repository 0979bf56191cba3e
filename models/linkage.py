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
    labels = _components(products, sizes.astype(np.float32), np.float32(threshold))
    for items in _groups(labels):
        part = products[np.ix_(items, items)].astype(np.float32)
        found = _agglomerate(part, sizes[items].astype(np.float32), np.float32(threshold), np.float32(doubt))
        labels[items] = items[found]
    return labels


def _groups(labels: NDArray[np.intp]) -> list[NDArray[np.intp]]:
    """The items of each label that has several, ascending."""
    order = np.argsort(labels, kind="stable")
    found = np.split(order, np.flatnonzero(np.diff(labels[order])) + 1)
    return [items for items in found if len(items) > 1]


@njit(cache=True)
def _components(
    products: NDArray[np.float32], sizes: NDArray[np.float32], threshold: np.float32
) -> NDArray[np.intp]:
    """What cannot be of one cluster, told apart: no mean over pairs is higher than that of the best pair."""
    count = len(sizes)
    parent = np.arange(count)
    if threshold <= 0.0:  # doubt counts in favour then
        parent[:] = 0
        return parent
    for item in range(count):
        for other in range(item):
            if products[item, other] >= threshold * sizes[item] * sizes[other]:
                one, two = _root(parent, item), _root(parent, other)
                parent[max(one, two)] = min(one, two)
    for item in range(count):
        parent[item] = parent[parent[item]]
    return parent


@njit(cache=True)
def _root(parent: NDArray[np.intp], item: int) -> int:
    while parent[item] != item:
        parent[item] = parent[parent[item]]
        item = parent[item]
    return item


@njit(cache=True)
def _agglomerate(
    products: NDArray[np.float32], sizes: NDArray[np.float32], threshold: np.float32, doubt: np.float32
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
    best = np.empty(count, dtype=np.float32)
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
def _nearest(item: int, similar: NDArray[np.float32], live: NDArray[np.intp]) -> tuple[int, np.float32]:
    nearest, best = item, np.float32(-np.inf)
    for other in live:
        if other != item and similar[other] > best:
            nearest, best = other, similar[other]
    return nearest, best


@njit(cache=True)
def _without(gone: int, live: NDArray[np.intp], left: int) -> int:
    for place in range(np.searchsorted(live[:left], gone), left - 1):
        live[place] = live[place + 1]
    return left - 1
