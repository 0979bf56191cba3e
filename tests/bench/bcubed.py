"""Extended BCubed: how well overlapping clusters agree with overlapping labels.

For a pair of items that share a cluster, multiplicity precision is min(shared clusters, shared labels) over
shared clusters; for a pair that share a label, multiplicity recall is the same minimum over shared labels.
Both are averaged over the items that an item shares something with (itself included), then over all items.
Source: Amigó, Gonzalo, Artiles and Verdejo 2009, section 4.
"""

from collections import Counter, defaultdict
from collections.abc import Hashable, Mapping
from typing import NamedTuple

__all__ = ["bcubed_f1"]

Marks = frozenset[Hashable]


class _Profile(NamedTuple):
    """Items with the same labels and the same clusters have the same score: they are counted, not listed."""

    labels: Marks
    clusters: Marks


def bcubed_f1(labels: Mapping[str, Marks], clusters: Mapping[str, Marks]) -> float:
    """F1 of extended BCubed, in [0, 1], over the items of `labels`, which must bear one or more each.

    An item without cluster is a cluster of its own.  Raises ValueError when there are no items.
    """
    if not labels:
        raise ValueError("no labelled items")
    profiles = Counter(_Profile(marks, clusters.get(item, frozenset())) for item, marks in labels.items())
    by_label, by_cluster = _index(profiles, 0), _index(profiles, 1)
    precision = recall = 0.0
    for one, count in profiles.items():
        precision += count * _precision(one, profiles, by_cluster)
        recall += count * _recall(one, profiles, by_label)
    total = precision + recall
    return 2 * precision * recall / total / len(labels) if total else 0.0


def _index(profiles: Counter[_Profile], side: int) -> dict[Hashable, list[_Profile]]:
    found: dict[Hashable, list[_Profile]] = defaultdict(list)
    for profile in profiles:
        for mark in profile[side]:
            found[mark].append(profile)
    return found


def _near(marks: Marks, index: Mapping[Hashable, list[_Profile]]) -> set[_Profile]:
    return {profile for mark in marks for profile in index[mark]}


def _precision(one: _Profile, counts: Counter[_Profile], index: Mapping[Hashable, list[_Profile]]) -> float:
    if not one.clusters:
        return 1.0  # alone with itself
    near = _near(one.clusters, index)
    score = 0.0
    for other in near:
        shared = len(one.clusters & other.clusters)
        score += counts[other] * min(shared, len(one.labels & other.labels)) / shared
    return score / sum(counts[other] for other in near)


def _recall(one: _Profile, counts: Counter[_Profile], index: Mapping[Hashable, list[_Profile]]) -> float:
    near = _near(one.labels, index)
    size = sum(counts[other] for other in near)
    if not one.clusters:
        return 1 / len(one.labels) / size  # shares its cluster with itself alone
    score = 0.0
    for other in near:
        shared = len(one.labels & other.labels)
        score += counts[other] * min(shared, len(one.clusters & other.clusters)) / shared
    return score / size
