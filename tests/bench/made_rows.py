"""Rows as the engine makes them, by the hundred thousand: embedding as many texts would take days.

Topics have a direction of dense vectors and the terms of a labelled comment; a claim has something of its
topic and something of anything. Dense vectors fill their space unevenly, as sentence vectors do: half of what
they vary in lies in some 60 of 384 directions.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from models.lexical import LEXICAL_DIMENSIONS, LexicalView, terms
from models.representation import DENSE_SHARE
from tests.worlds import names, read_world

__all__ = ["DENSE", "ROW", "MadeRows"]

DENSE = 384
ROW = DENSE + LEXICAL_DIMENSIONS + 2
_POOL = 8_192  # directions that claims are mixed from
_SHARED = 0.9  # how much of what all texts share is taken away, as the engine does
_SUBSTANCE = 0.03  # standard deviation of what a claim adds to its similarity to anything

Rows = NDArray[np.float32]


class MadeRows:
    """Makes rows of topics, numbered from 0; the same for a seed. topics: how many there may be."""

    def __init__(self, topics: int, seed: int = 7) -> None:
        self._rng = np.random.default_rng(seed)
        spectrum = 1.0 / np.sqrt(np.arange(DENSE) + 12.0)
        drawn = self._rng.standard_normal((_POOL, DENSE)) * spectrum
        self._pool = _unit(drawn.astype(np.float32))
        self._texts = _text_rows()
        self._dense = self._rng.integers(_POOL, size=(topics, 2))
        self._lexical = self._rng.integers(len(self._texts), size=topics)
        self._shared = np.float32(_SHARED) * self._texts.mean(axis=0)

    def claims(self, topics: Sequence[int] | NDArray[np.intp]) -> Rows:
        """A row for each topic: (n, ROW)."""
        chosen = np.asarray(topics, dtype=np.intp)
        count = len(chosen)
        rows = np.empty((count, ROW), dtype=np.float32)
        one, other = self._dense[chosen].T
        seeds = _unit(self._pool[one] + np.float32(0.6) * self._pool[other])
        anything = self._pool[self._rng.integers(_POOL, size=count)]
        rows[:, :DENSE] = self._mixed(seeds, anything, 0.45, 0.8)
        rows[:, :DENSE] *= np.float32(np.sqrt(DENSE_SHARE))
        of_topic = self._texts[self._lexical[chosen]]
        of_others = self._texts[self._rng.integers(len(self._texts), size=count)]
        rows[:, DENSE:-2] = self._mixed(of_topic, of_others, 0.2, 0.6) - self._shared
        rows[:, DENSE:-2] *= np.float32(np.sqrt(1.0 - DENSE_SHARE))
        rows[:, -2], rows[:, -1] = _SUBSTANCE * self._rng.standard_normal(count), 1.0
        return rows

    def _mixed(self, of_topic: Rows, of_others: Rows, least: float, most: float) -> Rows:
        share = self._rng.uniform(least, most, (len(of_topic), 1)).astype(np.float32)
        return _unit(share * of_topic + np.sqrt(1.0 - share * share) * of_others)


def _text_rows() -> Rows:
    texts = [terms(comment.text) for name in names() for comment in read_world(name).comments]
    view = LexicalView()
    for found in texts:
        view.count(found)
    return view.rows(texts)


def _unit(rows: Rows) -> Rows:
    lengths = np.sqrt(np.einsum("ij,ij->i", rows, rows))[:, None]
    unit: Rows = rows / np.maximum(lengths, np.float32(1e-6))
    return unit
