"""Watches: narratives that the user described in advance, found from the first mention in any language.

A claim matches when it is near one of the phrases, or contains it literally. Nearness goes by the sentence
vectors, each centred by the mean of its own language, so that an English phrase finds a French claim, and
without the directions that ordinary texts differ by, which are those of tone and form; and by how much of the
phrase, its terms weighted by rarity, the claim says again, which keeps out what is only about the same.
Between languages the vectors have to do. What is almost surely chatter counts as less near to anything.
`python -m tests.bench.watches` measures it.
"""

from collections.abc import Callable, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.lexical import DF_BITS, LexicalView, Terms, terms, words
from models.representation import Representation

__all__ = [
    "LITERAL_SIMILARITY",
    "WATCH_ACROSS_WEIGHT",
    "WATCH_DENSE_WEIGHT",
    "WATCH_FOREIGN_WEIGHT",
    "WATCH_SIMILARITY",
    "WATCH_TERMS_WEIGHT",
    "Lookout",
    "Watch",
    "WatchedPhrase",
    "make_watch",
]

# Of what matches from here on, half or somewhat more makes the claim of the phrase; higher values trade what
# is found for that, lower ones the other way (docs/watches.md).
WATCH_SIMILARITY = 0.24
# What vectors and repeated terms count. Their ratio was chosen on the worlds i to n (from 3:1 to 4:1 all is
# alike), and both together such that at 0.24 as much is right as it was when they were weighed otherwise.
WATCH_DENSE_WEIGHT = 0.72
WATCH_TERMS_WEIGHT = 0.24
# Between languages terms say nothing, and the vectors count so much; the higher one is for watches without a
# phrase in the claim's language, which find little otherwise.
WATCH_ACROSS_WEIGHT = 0.96
WATCH_FOREIGN_WEIGHT = 1.2
# How near a claim is counts so much its nearest sentence, and the rest the claim as a whole: one sentence of
# many is often about something else than what the comment says.
NEAREST_SENTENCE_SHARE = 1.0 / 3.0
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
        self._vectors = np.array([phrase.vector for phrase in phrases], dtype=np.float64)
        self._apart = _Apart(self._vectors, np.zeros((0, 0)))
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
        """The highest similarity of a claim to the phrases of each of `watches`, (w,) from -1 to 1.

        representation: of the desk, as far as it has read. vectors: (n, d), at least one: of the claim, and
        of its sentences where it has several. substance: what the claim adds to its similarity to anything.
        """
        if not self.watches:
            return np.zeros(0)
        tokens = words(text)
        best = np.full(len(self._vectors), -1.0)
        if len(tokens) >= LEAST_WORDS:
            dense = self._dense(representation, language, vectors)
            repeated = self._terms.repeated(representation.lexical, terms(text))
            within = WATCH_DENSE_WEIGHT * dense + WATCH_TERMS_WEIGHT * repeated
            is_across = np.array([one != language for one in self._languages])[self._codes]
            across = np.where(self._spoken.get(language, False), WATCH_ACROSS_WEIGHT, WATCH_FOREIGN_WEIGHT)
            best = np.clip(np.where(is_across, across * dense, within) + substance, -1.0, 1.0)
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
        self, representation: Representation, language: str, vectors: NDArray[np.float32]
    ) -> NDArray[np.float64]:
        """Of each phrase: the cosine of its vector and the claim's, both centred and set apart, (p,)."""
        if self._apart.directions is not representation.common:
            self._apart = _Apart(self._vectors, representation.common)
        means = representation.means
        claim = np.stack([means.centre(language, vector) for vector in vectors]).astype(np.float64)
        centres = np.stack([means.mean(one) for one in self._languages])
        cosines = self._apart.cosines(claim, centres, self._codes)
        of_sentence: NDArray[np.float64] = cosines.max(axis=1)
        return cosines[:, 0] + NEAREST_SENTENCE_SHARE * (of_sentence - cosines[:, 0])


class _Apart:
    """Vectors of phrases, without their part in some directions.

    vectors: (p, d); directions: (k, d), orthonormal.
    """

    def __init__(self, vectors: NDArray[np.float64], directions: NDArray[np.float64]) -> None:
        self.directions = directions
        self._rows = self._set_apart(vectors)
        self._squares = np.sum(np.square(self._rows), axis=-1)

    def cosines(
        self, claims: NDArray[np.float64], centres: NDArray[np.float64], codes: NDArray[np.intp]
    ) -> NDArray[np.float64]:
        """Of each phrase, less its centre, with each claim: (p, n); 0 where either has no direction left.

        claims: (n, d), less theirs; centres: (l, d); codes: (p,), which of these each phrase has.
        """
        claims = self._set_apart(claims)
        sizes = np.sqrt(np.sum(np.square(claims), axis=1))
        claims /= np.maximum(sizes, _NO_DIRECTION)[:, None]
        centres = self._set_apart(centres)
        products = self._rows @ np.concatenate([claims, centres]).T
        own = products[np.arange(len(products)), len(claims) + codes]
        squares = self._squares - 2 * own + np.sum(np.square(centres), axis=1)[codes]
        lengths = np.sqrt(np.maximum(squares, 0.0))[:, None]
        found = (products[:, : len(claims)] - (centres @ claims.T)[codes]) / np.maximum(
            lengths, _NO_DIRECTION
        )
        return np.where((lengths > _NO_DIRECTION) & (sizes > _NO_DIRECTION), found, 0.0)

    def _set_apart(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        return rows - (rows @ self.directions.T) @ self.directions if len(self.directions) else rows


class _Flat:
    """The terms of many phrases in one row, to be weighed together."""

    def __init__(self, phrases: Sequence[Terms]) -> None:
        # A phrase without terms has one of no weight: segments must not be empty.
        self._slots = np.concatenate(
            [one.slots if len(one.slots) else _ONE_SLOT for one in phrases or [_NONE]]
        )
        self._weights = np.concatenate(
            [one.weights if len(one.slots) else _NO_WEIGHT for one in phrases or [_NONE]]
        )
        self._starts = np.cumsum([0, *(max(len(one.slots), 1) for one in phrases)])[:-1]
        self._is_said = np.zeros(1 << DF_BITS, dtype=np.bool_)  # all False between two claims

    def repeated(self, lexical: LexicalView, said: Terms) -> NDArray[np.float64]:
        """Of each phrase: the cosine of its terms, as they weigh today, and those that are said again, (p,).

        What else a claim says takes nothing away: it may be ten times as long.
        """
        weights = np.square(self._weights * lexical.salience(self._slots))
        self._is_said[said.slots] = True
        found = np.add.reduceat(weights * self._is_said[self._slots], self._starts)
        self._is_said[said.slots] = False
        total = np.add.reduceat(weights, self._starts)
        return np.sqrt(np.where(total > 0.0, found / np.maximum(total, _NO_DIRECTION), 0.0))


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
