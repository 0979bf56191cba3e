"""River's DBSTREAM, as it is shipped and with ids that last.

As shipped, a cluster's number is its rank among the clusters of the moment: it changes whenever an older
one fades, and the same number means another cluster then. The wrapper numbers micro-clusters for life and
joins two of them, once and for all, when the shared density says that they are one cluster.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tests.bench.found import Found, Material, Tracker
from tests.bench.peer import NotInstalledError, centred

if TYPE_CHECKING:
    from river.cluster import DBSTREAM
    from river.cluster.dbstream import DBSTREAMMicroCluster

__all__ = ["DBStreamAsShipped", "DBStreamStable", "points_of"]


class DBStreamAsShipped(NamedTuple):
    """radius: of a micro-cluster. cleanup_interval: comments after which a lone one is forgotten."""

    radius: float
    cleanup_interval: int
    centre: bool

    def __call__(self, material: Material) -> Found:
        """See `Peer`."""
        model = _model(self.radius, self.cleanup_interval)
        tracker = Tracker(material)
        for place, point in enumerate(points_of(material.vectors, self.centre)):
            model.learn_one(point)
            tracker.put(place, model.predict_one(point))
        return tracker.found()


class DBStreamStable(NamedTuple):
    """The same parameters, with ids that last."""

    radius: float
    cleanup_interval: int
    centre: bool

    def __call__(self, material: Material) -> Found:
        """See `Peer`."""
        model = _model(self.radius, self.cleanup_interval)
        tracker = Tracker(material)
        numbers = _Numbers()
        for place, point in enumerate(points_of(material.vectors, self.centre)):
            model.learn_one(point)
            touched = _touched(model)
            nearest = min(touched, key=lambda key: _distance(model.micro_clusters[key].center, point))
            tracker.put(place, numbers.of(model.micro_clusters[nearest]))
            for one, other in _joined(model, touched):
                first, second = sorted(numbers.of(model.micro_clusters[key]) for key in (one, other))
                tracker.merge(second, first, decided=place)
        return tracker.found()


class _Numbers:
    """A number for life for each micro-cluster; River gives the keys of deleted ones to new ones."""

    def __init__(self) -> None:
        # Keeps the objects, or the identity of a deleted one could come back, too.
        self._known: dict[int, tuple[int, DBSTREAMMicroCluster]] = {}

    def of(self, micro_cluster: "DBSTREAMMicroCluster") -> int:
        number, _ = self._known.setdefault(id(micro_cluster), (len(self._known), micro_cluster))
        return number


def points_of(vectors: NDArray[np.float32], centre: bool) -> Iterator[dict[int, float]]:
    """The vectors as River takes them."""
    rows = centred(vectors) if centre else vectors
    return (dict(enumerate(row.tolist())) for row in rows)


def _model(radius: float, cleanup_interval: int) -> "DBSTREAM":
    try:
        from river.cluster import DBSTREAM  # noqa: PLC0415
    except ImportError:
        raise NotInstalledError("river") from None
    return DBSTREAM(clustering_threshold=radius, cleanup_interval=cleanup_interval)


def _touched(model: "DBSTREAM") -> list[int]:
    """The micro-clusters that took in the last point."""
    latest = max(one.last_update for one in model.micro_clusters.values())
    return [key for key, one in model.micro_clusters.items() if one.last_update == latest]


def _joined(model: "DBSTREAM", touched: list[int]) -> Iterator[tuple[int, int]]:
    """Pairs of micro-clusters that are one cluster, as DBSTREAM's reclustering defines it.

    Only those of the last point are looked at: no other pair can have become denser.
    """
    for one in touched:
        for other in touched:
            if one < other and _is_connected(model, one, other):
                yield one, other


def _is_connected(model: "DBSTREAM", one: int, other: int) -> bool:
    weights = [model.micro_clusters[key].weight for key in (one, other)]
    if min(weights) <= model.minimum_weight:
        return False
    return model.s.get(one, {}).get(other, 0.0) > model.intersection_factor * sum(weights) / 2


def _distance(center: dict[int, float], point: dict[int, float]) -> float:
    return sum((center[key] - value) ** 2 for key, value in point.items())
