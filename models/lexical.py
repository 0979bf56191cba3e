"""The lexical view of a claim: hashed words and character 4-grams, weighted by how rare they are.

Dense vectors know what a claim is about; the terms it shares with others tell whether it is the same claim.
Character n-grams see through inflection in every language and need no tokenizer. Features are hashed twice:
into a table of document frequencies, and with a random sign into a short dense vector, so that memory does
not grow with the vocabulary (feature hashing: Weinberger et al. 2009).
"""

import math
import re
import unicodedata
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

__all__ = ["LEXICAL_DIMENSIONS", "LexicalView", "Terms", "fold", "shingles", "terms", "word_hashes", "words"]

LEXICAL_DIMENSIONS = 1024  # collisions cost about 1/sqrt(1024) = 0.03 of cosine, far below any threshold
DF_BITS = 18  # 262,144 counters, 1 MiB: a year of one desk's terms collides in a few per cent
GRAM = 4
SHINGLE_WORDS = 3
UNREPEATED_WEIGHT = 0.25
_WORD = re.compile(r"[^\W_]+")
_SPACE = np.uint64(ord(" "))
_PRIME = np.uint64(0x9E3779B97F4A7C15)
_SHIFT = np.uint64(29)
_SIGN = np.uint64(63)
_BUCKET_SHIFT = np.uint64(40)
_SLOT_SHIFT = np.uint64(8)


def fold(text: str) -> str:
    """Lower case without accents: "Déguisé" and "deguise" are one term."""
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return "".join(c for c in decomposed if not unicodedata.combining(c))


def words(text: str) -> list[str]:
    """The folded words of a text, in order."""
    return _WORD.findall(fold(text))


def _mix(state: NDArray[np.uint64], value: NDArray[np.uint64]) -> NDArray[np.uint64]:
    mixed = (state ^ value) * _PRIME
    return mixed ^ (mixed >> _SHIFT)


def _letters(tokens: list[str]) -> NDArray[np.uint64]:
    text = " " + " ".join(tokens) + " "
    return np.frombuffer(text.encode("utf-32-le"), dtype="<u4").astype(np.uint64)


def word_hashes(tokens: list[str]) -> NDArray[np.uint64]:
    """One 64-bit hash a word, the same on every machine; tokens must be folded (see `words`)."""
    letters = _letters(tokens)
    gaps = np.flatnonzero(letters == _SPACE)
    hashes = np.full(len(tokens), 1, dtype=np.uint64)
    starts, lengths = gaps[:-1] + 1, np.diff(gaps) - 1
    for k in range(int(lengths.max(initial=0))):
        longer = lengths > k
        hashes[longer] = _mix(hashes[longer], letters[starts[longer] + k])
    return hashes


def _gram_hashes(letters: NDArray[np.uint64]) -> NDArray[np.uint64]:
    count = len(letters) - GRAM + 1
    if count <= 0:
        return np.zeros(0, dtype=np.uint64)
    hashes = np.full(count, GRAM, dtype=np.uint64)
    crosses = np.zeros(count, dtype=np.bool_)
    for k in range(GRAM):
        column = letters[k : k + count]
        hashes = _mix(hashes, column)
        if 0 < k < GRAM - 1:
            crosses |= column == _SPACE
    return hashes[~crosses]


def shingles(text: str) -> frozenset[int]:
    """Hashed runs of three words, by which near-copies are known; texts of fewer words are one run."""
    hashes = word_hashes(words(text))
    if not len(hashes):
        return frozenset()
    runs = hashes[: max(1, len(hashes) - SHINGLE_WORDS + 1)].copy()
    for k in range(1, min(SHINGLE_WORDS, len(hashes))):
        runs = _mix(runs, hashes[k : k + len(runs)])
    return frozenset(runs.tolist())


class Terms(NamedTuple):
    """The features of one text, one entry a distinct term."""

    slots: NDArray[np.int32]  # in the table of document frequencies
    buckets: NDArray[np.int32]  # in the vector
    weights: NDArray[np.float32]  # signed, by how often the text has the term


def terms(text: str) -> Terms:
    """Words and character 4-grams of a text, hashed; empty for a text without letters and digits."""
    tokens = words(text)
    features = np.concatenate([word_hashes(tokens), _gram_hashes(_letters(tokens))])
    distinct, counts = np.unique(features, return_counts=True)
    often = 1.0 + np.log(counts)
    return Terms(
        slots=_slots(distinct),
        buckets=((distinct >> _BUCKET_SHIFT) % np.uint64(LEXICAL_DIMENSIONS)).astype(np.int32),
        weights=np.where(distinct >> _SIGN, often, -often).astype(np.float32),
    )


def _slots(features: NDArray[np.uint64]) -> NDArray[np.int32]:
    return ((features >> _SLOT_SHIFT) & np.uint64((1 << DF_BITS) - 1)).astype(np.int32)


class LexicalView:
    """Weighs terms by the document frequencies seen so far, in the stream and in ordinary language.

    background: texts whose terms are ordinary; they make a term common, but not repeated.
    """

    def __init__(self, background: Iterable[str] = ()) -> None:
        self.documents = 0
        self.frequencies: NDArray[np.int32] = np.zeros(1 << DF_BITS, dtype=np.int32)
        self._ordinary = np.zeros(1 << DF_BITS, dtype=np.int32)
        self._ordinary_documents = 0
        for text in background:
            self._ordinary[terms(text).slots] += 1
            self._ordinary_documents += 1

    def count(self, found: Terms) -> None:
        """Count one text of the stream."""
        self.frequencies[found.slots] += 1
        self.documents += 1

    def rows(self, texts: Sequence[Terms]) -> NDArray[np.float32]:
        """Vectors of n texts (at least one) by today's frequencies: (n, LEXICAL_DIMENSIONS), unit or zero."""
        ends = np.cumsum([len(text.slots) for text in texts])
        weights = np.concatenate([text.weights for text in texts])
        weights = weights * self.salience(np.concatenate([text.slots for text in texts]))
        return _spread(ends, np.concatenate([text.buckets for text in texts]), weights)

    def rarity(self, tokens: list[str]) -> NDArray[np.float64]:
        """Inverse document frequency of folded words, natural logarithm, at least 0."""
        return self._idf(_slots(word_hashes(tokens)))

    def salience(self, slots: NDArray[np.int32]) -> NDArray[np.float64]:
        """What the terms of these slots weigh today, at least 0."""
        # A term that nobody else has used yet can join nothing: it only dilutes those that can.
        once = self.frequencies[slots] <= 1
        return np.where(once, UNREPEATED_WEIGHT, 1.0) * self._idf(slots)

    def _idf(self, slots: NDArray[np.int32]) -> NDArray[np.float64]:
        seen = self.frequencies[slots] + self._ordinary[slots]
        total = self.documents + self._ordinary_documents
        idf: NDArray[np.float64] = np.maximum(np.log((total + 1.0) / (seen + 0.5)), 0.0)
        return idf


@njit(cache=True)
def _spread(
    ends: NDArray[np.int64], buckets: NDArray[np.int32], weights: NDArray[np.float64]
) -> NDArray[np.float32]:
    """Sums of weights by bucket, of unit length. The terms of text i are those before ends[i].

    Compiled, because it is done for every claim of the window at every review.
    """
    rows = np.empty((len(ends), LEXICAL_DIMENSIONS), dtype=np.float32)
    row = np.empty(LEXICAL_DIMENSIONS)
    term = 0
    for text in range(len(ends)):
        row[:] = 0.0
        while term < ends[text]:
            row[buckets[term]] += weights[term]
            term += 1
        length = math.sqrt(np.sum(row * row))
        rows[text] = row / (length if length > 0.0 else 1.0)
    return rows
