"""What every peer is, and what peers share."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from tests.bench.found import Found, Material

__all__ = ["NotInstalledError", "Peer", "centred"]


class NotInstalledError(Exception):
    """The library of a peer is not there; `make bench-quality` installs it."""


class Peer(Protocol):
    """A clusterer with its thresholds; a new one for each stream, so that nothing is carried over."""

    def __call__(self, material: Material) -> Found:
        """The narratives of one stream.  Raises NotInstalledError, or OutOfTimeError."""


def centred(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Each vector less the mean of those up to it, of unit length again: (n, d) as it came.

    Knows nothing of the vectors to come. The first one, which would vanish, stays as it is.
    """
    means = np.cumsum(vectors, axis=0, dtype=np.float64) / np.arange(1, len(vectors) + 1)[:, None]
    rows = vectors - means
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.where(lengths > 1e-6, rows / np.maximum(lengths, 1e-6), vectors).astype(np.float32)
