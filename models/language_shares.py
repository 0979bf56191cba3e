"""How probable each language is for a text: the model of py3langid, read by a compiled loop.

The model is a naive Bayes classifier over runs of bytes that an automaton finds (Lui and Baldwin 2012).
py3langid walks the automaton in Python and gathers half-precision rows: a sixth of a millisecond for a
comment, which was a sixth of all that a worker does besides embedding. Here it takes some ten microseconds,
and the answers are the same but for rounding.
"""

import unicodedata
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray
from py3langid.langid import LanguageIdentifier

__all__ = ["LanguageShares"]

Floats = NDArray[np.float32]
Numbers = NDArray[np.int32]


class _Tables(NamedTuple):
    """moves: the next state, 256 for each of some rows; rows: the row of each state; features: what a state
    has found, or -1; weights: of features, a column a class; prior: of classes; labels_of: of classes.
    """

    moves: NDArray[np.uint32]
    rows: Numbers
    features: Numbers
    weights: Floats
    prior: Floats
    labels_of: Numbers


class LanguageShares:
    """Made from a model of py3langid with all of its languages; holds 60 MB beside it. No call changes it."""

    def __init__(self, model: LanguageIdentifier) -> None:
        self.labels: Sequence[str] = model.labels
        place = {label: number for number, label in enumerate(self.labels)}
        self._tables = _Tables(
            moves=np.frombuffer(model.tk_nextmove, dtype=np.dtype(f"u{model.tk_nextmove.itemsize}")),
            rows=np.array(model.tk_row, dtype=np.int32),
            features=np.array(model.tk_output, dtype=np.int32),
            weights=model.nb_ptc.astype(np.float32),
            prior=model.nb_pc.astype(np.float32),
            # Some languages are two classes, one for each of their scripts.
            labels_of=np.array([place[one] for one in model.nb_classes], dtype=np.int32),
        )

    def of(self, text: str) -> Floats:
        """The probability of each of `labels`, (n,); all alike for a text that shows nothing."""
        shown = unicodedata.normalize("NFC", text.lower() if text.isupper() else text)
        data = np.frombuffer(shown.encode("utf-8", "surrogatepass"), dtype=np.uint8)
        shares: Floats = _shares(data, self._tables, len(self.labels))
        return shares


@njit(cache=True)
def _shares(data: NDArray[np.uint8], of: _Tables, labels: int) -> Floats:
    found = np.empty(len(data), dtype=np.int32)
    count = state = 0
    for byte in data:
        state = of.moves[of.rows[state] * 256 + byte]
        if of.features[state] >= 0:
            found[count] = of.features[state]
            count += 1
    scores = np.zeros(len(of.prior), dtype=np.float32)
    if count:
        scores += of.prior
    found = np.sort(found[:count])
    start = 0
    while start < count:
        end = start + 1
        while end < count and found[end] == found[start]:
            end += 1
        often = np.float32(np.log1p(end - start))
        for column in range(len(scores)):
            scores[column] += often * of.weights[found[start], column]
        start = end
    # Long texts would seem far too sure: evidence counts by the root of their length.
    scores /= np.float32(np.sqrt(max(len(data), 1)))
    scores = np.exp(scores - scores.max())
    shares = np.zeros(labels, dtype=np.float32)
    for column in range(len(scores)):
        shares[of.labels_of[column]] += scores[column]
    shares /= shares.sum()
    return shares
