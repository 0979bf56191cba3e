"""The peers with the thresholds that were chosen for them.

Each was chosen from its grid on the worlds alone, by `tests.bench.fitting.merit`. The grids with figures:

    python -m tests.bench.quality --fit
"""

from collections.abc import Sequence
from itertools import product
from typing import NamedTuple

from tests.bench.bertopic_peers import BERTopicBatch, BERTopicOnline
from tests.bench.dbstream import DBStreamAsShipped, DBStreamStable
from tests.bench.leader import Leader
from tests.bench.peer import Peer
from tests.bench.river_peers import DenStreamAsShipped, TextClust

__all__ = ["METHODS", "PACKAGES", "Method"]

PACKAGES = ("river", "bertopic", "umap-learn", "hdbscan", "scikit-learn")
"""Whose versions matter."""


class Method(NamedTuple):
    """A peer as the tables name it. chosen: one of the grid."""

    name: str
    chosen: Peer
    grid: Sequence[Peer]
    offline: bool = False  # decides at the end: when something emerged means nothing then


# Euclidean distances of unit vectors: raw ones of this model lie within a cosine of 0.75 to 1, centred ones
# anywhere. These are the radii of cosines 0.91 to 0.87 and of 0.5 to 0.4.
_RAW_RADII, _CENTRED_RADII = (0.42, 0.46, 0.5), (1.0, 1.1)
_CLEANUP = 100  # comments after which a lone one is forgotten; by default two, which leaves nothing to join
# DenStream's radius is the spread of the members around their centre, which is smaller.
_RAW_EPSILONS, _CENTRED_EPSILONS = (0.25, 0.3, 0.35), (0.6, 0.7, 0.8)


def _spaces(raw: Sequence[float], centred: Sequence[float]) -> list[tuple[float, bool]]:
    """Radii, and whether they are of centred vectors."""
    return [(radius, False) for radius in raw] + [(radius, True) for radius in centred]


_RADII = _spaces(_RAW_RADII, _CENTRED_RADII)

METHODS = (
    Method(
        "leader, raw vectors",
        Leader(0.895, centre=False),
        [Leader(cosine, centre=False) for cosine in (0.88, 0.885, 0.89, 0.895, 0.90, 0.905, 0.91, 0.92)],
    ),
    Method(
        "leader, centred vectors",
        Leader(0.2, centre=True),
        [Leader(cosine, centre=True) for cosine in (0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5)],
    ),
    Method(
        "River DBSTREAM",
        DBStreamAsShipped(0.5, _CLEANUP, centre=False),
        # The same algorithm: what was chosen with stable ids. Its predictions take minutes a grid point.
        [DBStreamAsShipped(0.5, _CLEANUP, centre=False)],
    ),
    Method(
        "River DBSTREAM, stable ids",
        DBStreamStable(0.5, _CLEANUP, centre=False),
        [DBStreamStable(radius, _CLEANUP, centre) for radius, centre in _RADII],
    ),
    Method(
        "River DenStream",
        DenStreamAsShipped(0.25, centre=False),  # whichever: all of the grid find the same
        [
            DenStreamAsShipped(epsilon, centre)
            for epsilon, centre in _spaces(_RAW_EPSILONS, _CENTRED_EPSILONS)
        ],
    ),
    Method(
        "River TextClust",
        TextClust(0.9, 50),
        [TextClust(radius, gap) for radius, gap in product((0.6, 0.7, 0.8, 0.85, 0.9), (50, 200))],
    ),
    Method(
        "BERTopic, online",
        BERTopicOnline(20, 5),
        [BERTopicOnline(topics, parts) for topics, parts in product((10, 20, 40, 80), (5, 20))],
    ),
    Method(
        "BERTopic, batch",
        BERTopicBatch(3),
        [BERTopicBatch(size) for size in (3, 5, 8, 12)],
        offline=True,
    ),
)
