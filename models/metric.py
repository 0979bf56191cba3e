"""Which differences of sentence vectors matter when claims are told apart, learned from labelled claims.

Two people who claim the same differ in tone and wording, two who claim different things of one subject in
what they claim. Some directions of an embedding space hold more of the first, some more of the second. A
metric shortens vectors along the ones, stretches them along the others, and leaves all else alone. It is used
inside threads, where claims are hard to tell apart. It was fitted to labelled claims
(`python -m tests.bench.metric`, docs/quality.md) and holds for the vectors of the model that it was fitted on
only: for others there is none, and the engine does without.
"""

from importlib import resources

import msgspec
import numpy as np
from numba import njit
from numpy.typing import NDArray

__all__ = ["VERSION", "Fitted", "Metric", "metric_of"]

_FILE = "metric.json"
VERSION = 1


class Fitted(msgspec.Struct, frozen=True):
    """What the file holds. gains: (k,); directions: (k, d) float16, little-endian, orthonormal but for
    rounding.

    model: how the names of embedders begin that it holds for.
    """

    version: int
    model: str
    gains: list[float]
    directions: bytes


class Metric:
    """Makes vectors longer or shorter along some directions. Immutable.

    directions: (k, d), orthonormal; gains: (k,), by how much, 1 is not at all.
    """

    def __init__(self, directions: NDArray[np.floating], gains: NDArray[np.floating]) -> None:
        self._directions: NDArray[np.float32] = np.ascontiguousarray(directions, dtype=np.float32)
        self._added: NDArray[np.float32] = (gains - 1.0).astype(np.float32)

    @property
    def dimensions(self) -> int:
        """Of the vectors it is for."""
        return int(self._directions.shape[1])

    def of(self, centred: NDArray[np.float32], shares: NDArray[np.float32]) -> NDArray[np.float32]:
        """Vectors less the means of language and thread, (n, d), as they are to be compared: (n, d).

        shares: (n,), from 0 to 1: how much of it is done to each.
        """
        along: NDArray[np.float32] = (centred @ self._directions.T) * self._added * shares[:, None]
        stretched: NDArray[np.float32] = centred + along @ self._directions
        return stretched

    def of_one(self, centred: NDArray[np.float32], share: float) -> None:
        """`of` for one vector (d,), in place, but for rounding."""
        _stretch(centred, self._directions, self._added * np.float32(share))


@njit(cache=True, fastmath=True)
def _stretch(
    vector: NDArray[np.float32], directions: NDArray[np.float32], added: NDArray[np.float32]
) -> None:
    count, length = directions.shape
    along = np.empty(count, dtype=np.float32)
    for number in range(count):
        total = np.float32(0.0)
        for column in range(length):
            total += directions[number, column] * vector[column]
        along[number] = total * added[number]
    for number in range(count):
        for column in range(length):
            vector[column] += along[number] * directions[number, column]


def metric_of(model: str) -> Metric | None:
    """The metric of an embedder's vectors, by its name; None if there is none."""
    raw = resources.files("models").joinpath("data", _FILE).read_bytes()
    fitted = msgspec.json.decode(raw, type=Fitted)
    if fitted.version != VERSION or not model.startswith(fitted.model):
        return None
    directions = np.frombuffer(fitted.directions, dtype="<f2").reshape(len(fitted.gains), -1)
    return Metric(directions.astype(np.float32), np.array(fitted.gains, dtype=np.float32))
