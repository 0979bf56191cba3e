"""The plain leader algorithm: a comment joins the nearest centroid if it is near enough, or founds a cluster.

Source: Hartigan 1975, chapter 3 (there with the first member in place of the centroid).
"""

from typing import NamedTuple

import numpy as np

from tests.bench.found import Found, Material, Tracker
from tests.bench.peer import centred

__all__ = ["Leader"]

_ROOM = 1_024  # clusters; doubled when it is used up


class Leader(NamedTuple):
    """threshold: cosine to the centroid from which a comment joins it."""

    threshold: float
    centre: bool

    def __call__(self, material: Material) -> Found:
        """See `Peer`."""
        tracker = Tracker(material)
        vectors = centred(material.vectors) if self.centre else material.vectors
        sums = np.zeros((_ROOM, vectors.shape[1]), dtype=np.float32)
        centroids = np.zeros_like(sums)
        count = 0
        for place, vector in enumerate(vectors):
            similarities = centroids[:count] @ vector
            best = int(np.argmax(similarities)) if count else -1
            if best < 0 or similarities[best] < self.threshold:
                best, count = count, count + 1
                if count > len(sums):
                    sums, centroids = (
                        np.concatenate([rows, np.zeros_like(rows)]) for rows in (sums, centroids)
                    )
            sums[best] += vector
            centroids[best] = sums[best] / np.linalg.norm(sums[best])
            tracker.put(place, best)
        return tracker.found()
