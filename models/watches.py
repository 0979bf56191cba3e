"""Watches: narratives that the user described in advance, found from the first mention in any language.

A claim matches when its centred sentence vector is near that of one of the phrases, or when it contains the
phrase literally. Each side is centred by the mean of its own language, so that an English phrase finds a
French claim.
"""

from collections.abc import Callable, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.lexical import words
from models.representation import LanguageMeans

__all__ = ["LITERAL_SIMILARITY", "WATCH_SIMILARITY", "Lookout", "Watch", "WatchedPhrase", "make_watch"]

WATCH_SIMILARITY = 0.25  # about three standard deviations above unrelated claims of one discussion
LEAST_WORDS = 4  # vectors of shorter texts ("Zzzz", "re") point anywhere: those match only literally
LITERAL_SIMILARITY = 0.95  # a claim that contains the very words matches, whatever its vector
_NO_DIRECTION = 1e-6  # shorter than this, a centred vector has no direction


class WatchedPhrase(msgspec.Struct, frozen=True, kw_only=True):
    """One phrase of a watch. vector: (d,) float32 from the embedder that the claims come from."""

    text: str
    language: str
    vector: NDArray[np.float32]


class Watch(msgspec.Struct, frozen=True, kw_only=True):
    """A named set of phrases and the similarity from which a claim counts as a match."""

    name: str
    phrases: Sequence[WatchedPhrase]
    threshold: float = WATCH_SIMILARITY


class Lookout:
    """The watches of a desk, all looked for at once: the cost of a claim is two products with one matrix."""

    def __init__(self, watches: Sequence[Watch]) -> None:
        self.watches = tuple(watch for watch in watches if watch.phrases)
        phrases = [phrase for watch in self.watches for phrase in watch.phrases]
        self._rows = np.stack([phrase.vector for phrase in phrases]) if phrases else np.zeros((0, 0))
        self._squares = np.sum(np.square(self._rows, dtype=np.float64), axis=1)
        self._languages = sorted({phrase.language for phrase in phrases})
        self._codes = np.array([self._languages.index(one.language) for one in phrases], dtype=np.intp)
        self._literal = [_spaced(words(phrase.text)) for phrase in phrases]
        self._starts = np.cumsum([0, *(len(watch.phrases) for watch in self.watches)])[:-1]

    def similarities(
        self, means: LanguageMeans, text: str, language: str, vectors: NDArray[np.float32]
    ) -> NDArray[np.float64]:
        """The highest similarity of a claim to the phrases of each of `watches`, (w,) in [-1, 1].

        vectors: (n, d), at least one: of the claim, and of its sentences where it has several.
        """
        if not self.watches:
            return np.zeros(0)
        tokens = words(text)
        best = np.full(len(self._rows), -1.0)
        if len(tokens) >= LEAST_WORDS:
            best = self._dense(means, language, vectors)
        spaced = _spaced(tokens)
        for number, wanted in enumerate(self._literal):
            if wanted in spaced and wanted != _NOTHING:
                best[number] = max(best[number], LITERAL_SIMILARITY + 0.05 * max(best[number], 0.0))
        return np.maximum.reduceat(best, self._starts)

    def matches(
        self, means: LanguageMeans, text: str, language: str, vectors: NDArray[np.float32]
    ) -> dict[str, float]:
        """Names of the watches that a claim matches, and how similar it is. For vectors see `similarities`.

        Of two watches of one name the nearer counts.
        """
        found: dict[str, float] = {}
        similarities = self.similarities(means, text, language, vectors).tolist()
        for watch, similarity in zip(self.watches, similarities, strict=True):
            if similarity >= watch.threshold:
                found[watch.name] = max(similarity, found.get(watch.name, -1.0))
        return found

    def _dense(
        self, means: LanguageMeans, language: str, vectors: NDArray[np.float32]
    ) -> NDArray[np.float64]:
        """Of each phrase: the cosine of its centred vector and the nearest of the claim's, (p,)."""
        claim = np.stack([means.centre(language, vector) for vector in vectors]).astype(np.float64)
        centres = np.stack([means.mean(one) for one in self._languages])
        products = self._rows @ np.concatenate([claim, centres]).T
        own = products[np.arange(len(products)), len(claim) + self._codes]
        lengths = self._squares - 2 * own + np.sum(np.square(centres), axis=1)[self._codes]
        scale = np.sqrt(np.maximum(lengths, 0.0))
        nearest = products[:, : len(claim)] - (centres @ claim.T)[self._codes]
        return np.where(scale > _NO_DIRECTION, nearest.max(axis=1) / np.maximum(scale, _NO_DIRECTION), 0.0)


def _spaced(tokens: Sequence[str]) -> str:
    return f" {' '.join(tokens)} "


_NOTHING = _spaced([])


def make_watch(
    name: str,
    phrases: Sequence[str],
    embed: Callable[[Sequence[str]], NDArray[np.float32]],
    language_of: Callable[[str], str],
    *,
    threshold: float | None = None,
) -> Watch:
    """A watch whose phrases are embedded.

    embed: texts to (n, d) rows; language_of: ISO 639-1 of a text; threshold: None for the default.
    """
    rows = embed(phrases)
    watched = [
        WatchedPhrase(text=phrase, language=language_of(phrase), vector=row)
        for phrase, row in zip(phrases, rows, strict=True)
    ]
    return Watch(name=name, phrases=watched, threshold=WATCH_SIMILARITY if threshold is None else threshold)
