"""Watches: narratives that the user described in advance, found from the first mention in any language.

A claim matches when it is near one of the phrases, or contains it literally. Nearness is half that of the
sentence vectors, each centred by the mean of its own language, so that an English phrase finds a French
claim; and half that of the terms, weighted by rarity, which keeps out what is only about the same. Between
languages the vectors have to do. What is almost surely chatter counts as less near to anything.
`python -m tests.bench.watches` measures it.
"""

from collections.abc import Callable, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.lexical import LexicalView, Terms, terms, words
from models.representation import LanguageMeans, Representation

__all__ = [
    "LITERAL_SIMILARITY",
    "WATCH_ACROSS_SHARE",
    "WATCH_DENSE_SHARE",
    "WATCH_FOREIGN_SHARE",
    "WATCH_SIMILARITY",
    "Lookout",
    "Watch",
    "WatchedPhrase",
    "make_watch",
]

# Of what matches from here on, somewhat more than half makes the claim of the phrase; higher values trade
# what is found for that, lower ones the other way (docs/watches.md).
WATCH_SIMILARITY = 0.24
WATCH_DENSE_SHARE = 0.5  # of the similarity; between 0.4 and 0.6 is alike, vectors or terms alone are worse
# Between languages terms say nothing, and the vectors count so much: with the lower share they are as precise
# as within one language; the higher one is for watches without a phrase in the claim's language, which find
# little otherwise.
WATCH_ACROSS_SHARE = 0.7
WATCH_FOREIGN_SHARE = 0.87
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
    """The watches of a desk, all looked for at once: the cost of a claim is a few products of matrices."""

    def __init__(self, watches: Sequence[Watch]) -> None:
        self.watches = tuple(watch for watch in watches if watch.phrases)
        phrases = [phrase for watch in self.watches for phrase in watch.phrases]
        self._rows = np.stack([phrase.vector for phrase in phrases]) if phrases else np.zeros((0, 0))
        self._squares = np.sum(np.square(self._rows, dtype=np.float64), axis=1)
        self._languages = sorted({phrase.language for phrase in phrases})
        self._codes = np.array([self._languages.index(one.language) for one in phrases], dtype=np.intp)
        # Of each language: whether the watch of a phrase has some phrase in it, (p,).
        self._spoken = {language: self._speaks(language) for language in self._languages}
        self._terms = _Flat([terms(phrase.text) for phrase in phrases])
        self._literal = [_spaced(words(phrase.text)) for phrase in phrases]
        self._starts = np.cumsum([0, *(len(watch.phrases) for watch in self.watches)])[:-1]

    def similarities(
        self,
        representation: Representation,
        text: str,
        language: str,
        vectors: NDArray[np.float32],
        substance: float = 0.0,
    ) -> NDArray[np.float64]:
        """The highest similarity of a claim to the phrases of each of `watches`, (w,) from -1.

        representation: of the desk, as far as it has read. vectors: (n, d), at least one: of the claim, and
        of its sentences where it has several. substance: what the claim adds to its similarity to anything.
        """
        if not self.watches:
            return np.zeros(0)
        tokens = words(text)
        best = np.full(len(self._rows), -1.0)
        if len(tokens) >= LEAST_WORDS:
            found = representation.lexical.row(terms(text))
            dense = self._dense(representation.means, language, vectors)
            lexical = self._terms.cosines(representation.lexical, found)
            within = WATCH_DENSE_SHARE * dense + (1.0 - WATCH_DENSE_SHARE) * lexical
            is_across = np.array([one != language for one in self._languages])[self._codes]
            across = np.where(self._spoken.get(language, False), WATCH_ACROSS_SHARE, WATCH_FOREIGN_SHARE)
            best = np.where(is_across, across * dense, within) + substance
        spaced = _spaced(tokens)
        for number, wanted in enumerate(self._literal):
            if wanted in spaced and wanted != _NOTHING:
                best[number] = max(best[number], LITERAL_SIMILARITY + 0.05 * max(best[number], 0.0))
        return np.maximum.reduceat(best, self._starts)

    def matches(
        self,
        representation: Representation,
        text: str,
        language: str,
        vectors: NDArray[np.float32],
        substance: float = 0.0,
    ) -> dict[str, float]:
        """Names of the watches that a claim matches, and how similar it is; arguments as `similarities`.

        Of two watches of one name the nearer counts.
        """
        found: dict[str, float] = {}
        similarities = self.similarities(representation, text, language, vectors, substance).tolist()
        for watch, similarity in zip(self.watches, similarities, strict=True):
            if similarity >= watch.threshold:
                found[watch.name] = max(similarity, found.get(watch.name, -1.0))
        return found

    def _speaks(self, language: str) -> NDArray[np.bool_]:
        speaks = [any(one.language == language for one in watch.phrases) for watch in self.watches]
        return np.repeat(speaks, [len(watch.phrases) for watch in self.watches])

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


class _Flat:
    """The terms of many phrases in one row, to be weighed together."""

    def __init__(self, phrases: Sequence[Terms]) -> None:
        # A phrase without terms has one of no weight: segments must not be empty.
        self._slots = np.concatenate(
            [one.slots if len(one.slots) else _ONE_SLOT for one in phrases or [_NONE]]
        )
        self._buckets = np.concatenate(
            [one.buckets if len(one.slots) else _ONE_SLOT for one in phrases or [_NONE]]
        )
        self._weights = np.concatenate(
            [one.weights if len(one.slots) else _NO_WEIGHT for one in phrases or [_NONE]]
        )
        self._starts = np.cumsum([0, *(max(len(one.slots), 1) for one in phrases)])[:-1]

    def cosines(self, lexical: LexicalView, row: NDArray[np.float32]) -> NDArray[np.float64]:
        """Of each phrase: the cosine of its terms, as they weigh today, and a row of that view, (p,)."""
        weights = self._weights * lexical.salience(self._slots)
        lengths = np.sqrt(np.add.reduceat(np.square(weights), self._starts))
        products = np.add.reduceat(weights * row[self._buckets], self._starts)
        return np.where(lengths > 0.0, products / np.maximum(lengths, _NO_DIRECTION), 0.0)


def _spaced(tokens: Sequence[str]) -> str:
    return f" {' '.join(tokens)} "


_NOTHING = _spaced([])
_NONE = terms("")
_ONE_SLOT = np.zeros(1, dtype=np.int32)
_NO_WEIGHT = np.zeros(1, dtype=np.float32)


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
