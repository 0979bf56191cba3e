"""Whether a text says something of substance, and whether it denies rather than claims.

Two linear scores over a claim's vector, less the mean of its language. They were fitted on labelled comments
written for this project (tests/data/worlds; `make fit` fits them anew) and hold for the vectors of the model
they were fitted on only: for others there is no judge, and the engine does without.
"""

from importlib import resources
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

__all__ = ["Judge", "Verdict", "judge_of"]

_FILE = "judge.json"
# Logits. Only what is chatter almost surely is held against a text: on texts unlike comments (headlines, for
# example) the judge errs, but is seldom sure.
_SURELY_CHATTER, _LEAST = -1.0, -4.0


class Verdict(NamedTuple):
    """substance: 0, or how surely it is chatter, negative, in logits; rebuts: it denies a claim."""

    substance: float
    rebuts: bool


class _Line(msgspec.Struct, frozen=True):
    weights: list[float]
    intercept: float


class _Fitted(msgspec.Struct, frozen=True):
    model: str
    substance: _Line
    rebuts: _Line


class Judge:
    """Scores vectors of one model. Immutable."""

    def __init__(self, fitted: _Fitted) -> None:
        self._weights = np.array([fitted.substance.weights, fitted.rebuts.weights])
        self._intercepts = np.array([fitted.substance.intercept, fitted.rebuts.intercept])

    @property
    def dimensions(self) -> int:
        """Of the vectors it can judge."""
        return int(self._weights.shape[1])

    def chances(self, centred: NDArray[np.float64]) -> NDArray[np.float64]:
        """How probable it is that texts say something of substance, in (0, 1): (n,).

        centred: (n, dimensions), as for `of`.
        """
        logits = centred @ self._weights[0] + self._intercepts[0]
        chances: NDArray[np.float64] = 1.0 / (1.0 + np.exp(-logits))
        return chances

    def of(self, centred: NDArray[np.float64]) -> Verdict:
        """centred: (dimensions,), a unit vector less the mean of its language, whatever length is left."""
        substance, rebuts = self._weights @ centred + self._intercepts
        return Verdict(min(max(float(substance), _LEAST) - _SURELY_CHATTER, 0.0), bool(rebuts > 0.0))


def judge_of(model: str) -> Judge | None:
    """The judge of an embedder's vectors, by its name; None if there is none."""
    raw = resources.files("models").joinpath("data", _FILE).read_bytes()
    fitted = msgspec.json.decode(raw, type=_Fitted)
    return Judge(fitted) if model.startswith(fitted.model) else None
