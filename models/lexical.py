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
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

__all__ = ["LEXICAL_DIMENSIONS", "LexicalView", "Terms", "fold", "shingles", "terms", "word_hashes", "words"]

LEXICAL_DIMENSIONS = 1024  # collisions cost about 1/sqrt(1024) = 0.03 of cosine, far below any threshold
DF_BITS = 18  # 262,144 counters, 1 MiB: a year of one desk's terms collides in a few per cent
GRAM = 4
SHINGLE_WORDS = 3
_RECENT_TEXTS = 2_048  # of which words and shingles are at hand: a claim is asked for them again and again
UNREPEATED_WEIGHT = 0.25
_WORD = re.compile(r"[^\W_]+")
_MARKED = re.compile(r"[^\x00-\u02ff]+")  # no character below these is a combining one
_SPACE = np.uint64(ord(" "))
_PRIME = np.uint64(0x9E3779B97F4A7C15)
_SHIFT = np.uint64(29)
_SIGN = np.uint64(63)
_BUCKET_SHIFT = np.uint64(40)
_SLOT_SHIFT = np.uint64(8)
_SLOTS = np.uint64((1 << DF_BITS) - 1)
_BUCKETS = np.uint64(LEXICAL_DIMENSIONS)


def fold(text: str) -> str:
    """Lower case without accents: "Déguisé" and "deguise" are one term."""
    folded = text.casefold()
    return folded if folded.isascii() else _MARKED.sub(_base, unicodedata.normalize("NFKD", folded))


def _base(found: re.Match[str]) -> str:
    return "".join(c for c in found[0] if not unicodedata.combining(c))


@lru_cache(maxsize=_RECENT_TEXTS)
def words(text: str) -> tuple[str, ...]:
    """The folded words of a text, in order."""
    return tuple(_WORD.findall(fold(text)))


@njit(cache=True, inline="always")
def _mix(state: np.uint64, value: np.uint64) -> np.uint64:
    mixed = (state ^ value) * _PRIME
    return mixed ^ (mixed >> _SHIFT)


def _letters(tokens: Sequence[str]) -> NDArray[np.uint32]:
    """The characters of words, with a space before and after each."""
    return np.frombuffer(f" {' '.join(tokens)} ".encode("utf-32-le"), dtype="<u4")


def word_hashes(tokens: Sequence[str]) -> NDArray[np.uint64]:
    """One 64-bit hash a word, the same on every machine; tokens must be folded (see `words`)."""
    return _word_hashes(_letters(tokens))


@njit(cache=True)
def _word_hashes(letters: NDArray[np.uint32]) -> NDArray[np.uint64]:
    hashes = np.empty(len(letters), dtype=np.uint64)
    count = 0
    state = np.uint64(1)
    for place in range(1, len(letters)):
        letter = np.uint64(letters[place])
        if letter != _SPACE:
            state = _mix(state, letter)
        elif np.uint64(letters[place - 1]) != _SPACE:
            hashes[count] = state
            count += 1
            state = np.uint64(1)
    return hashes[:count]


@njit(cache=True)
def _gram_hashes(letters: NDArray[np.uint32]) -> NDArray[np.uint64]:
    """Of the runs of characters that reach over no gap between words; they may begin or end in one."""
    hashes = np.empty(len(letters), dtype=np.uint64)
    count = 0
    for start in range(len(letters) - GRAM + 1):
        crosses = False
        state = np.uint64(GRAM)
        for k in range(GRAM):
            letter = np.uint64(letters[start + k])
            crosses |= 0 < k < GRAM - 1 and letter == _SPACE
            state = _mix(state, letter)
        if not crosses:
            hashes[count] = state
            count += 1
    return hashes[:count]


@lru_cache(maxsize=_RECENT_TEXTS)
def shingles(text: str) -> bytes:
    """Hashed runs of three words, by which near-copies are known; texts of fewer words are one run.

    Each once, ascending, 8 bytes each (little endian).
    """
    return _runs(_letters(words(text))).astype("<u8").tobytes()


@njit(cache=True)
def _runs(letters: NDArray[np.uint32]) -> NDArray[np.uint64]:
    hashes = _word_hashes(letters)
    count = len(hashes)
    for start in range(count - SHINGLE_WORDS + 1 if count >= SHINGLE_WORDS else min(count, 1)):
        for k in range(1, min(SHINGLE_WORDS, count)):
            hashes[start] = _mix(hashes[start], hashes[start + k])
    runs = np.sort(hashes[: max(1, count - SHINGLE_WORDS + 1)] if count else hashes)
    kept = 0
    for run in runs:
        if kept == 0 or run != runs[kept - 1]:
            runs[kept] = run
            kept += 1
    return runs[:kept]


class Terms(NamedTuple):
    """The features of one text, one entry a distinct term."""

    slots: NDArray[np.int32]  # in the table of document frequencies
    buckets: NDArray[np.int32]  # in the vector
    weights: NDArray[np.float32]  # signed, by how often the text has the term


def terms(text: str) -> Terms:
    """Words and character 4-grams of a text, hashed; empty for a text without letters and digits."""
    return Terms(*_features(_letters(words(text))))


@njit(cache=True)
def _features(
    letters: NDArray[np.uint32],
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.float32]]:
    """Compiled, because it is done for every claim: slots, buckets and weights, in order of the hashes."""
    features = np.sort(np.concatenate((_word_hashes(letters), _gram_hashes(letters))))
    slots = np.empty(len(features), dtype=np.int32)
    buckets = np.empty(len(features), dtype=np.int32)
    weights = np.empty(len(features), dtype=np.float32)
    count = start = 0
    while start < len(features):
        feature, end = features[start], start + 1
        while end < len(features) and features[end] == feature:
            end += 1
        often = 1.0 + math.log(end - start)
        slots[count] = (feature >> _SLOT_SHIFT) & _SLOTS
        buckets[count] = (feature >> _BUCKET_SHIFT) % _BUCKETS
        weights[count] = often if feature >> _SIGN else -often
        count, start = count + 1, end
    return slots[:count], buckets[:count], weights[:count]


def _slots(features: NDArray[np.uint64]) -> NDArray[np.int32]:
    return ((features >> _SLOT_SHIFT) & _SLOTS).astype(np.int32)


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
        _count(self.frequencies, found.slots)
        self.documents += 1

    def rows(self, texts: Sequence[Terms]) -> NDArray[np.float32]:
        """Vectors of n texts (at least one) by today's frequencies: (n, LEXICAL_DIMENSIONS), unit or zero."""
        joined = Terms(*(np.concatenate(column) for column in zip(*texts, strict=True)))
        return self._spread(np.cumsum([len(text.slots) for text in texts]), joined)

    def row(self, text: Terms) -> NDArray[np.float32]:
        """What `rows` returns for one text: (LEXICAL_DIMENSIONS,)."""
        row: NDArray[np.float32] = self._spread(np.array([len(text.slots)]), text)[0]
        return row

    def rarity(self, tokens: list[str]) -> NDArray[np.float64]:
        """Inverse document frequency of folded words, natural logarithm, at least 0."""
        return self._idf(_slots(word_hashes(tokens)))

    def _spread(self, ends: NDArray[np.int64], found: Terms) -> NDArray[np.float32]:
        documents = self.documents + self._ordinary_documents
        rows: NDArray[np.float32] = _spread(ends, found, self.frequencies, self._ordinary, documents)
        return rows

    def salience(self, slots: NDArray[np.int32]) -> NDArray[np.float64]:
        """What terms that somebody has used besides the stream weigh today, by their slots.

        As in `rows`, before it makes them of unit length; but in the stream once is enough.
        """
        unused = self.frequencies[slots] < 1
        return np.where(unused, UNREPEATED_WEIGHT, 1.0) * self._idf(slots)

    def _idf(self, slots: NDArray[np.int32]) -> NDArray[np.float64]:
        seen = self.frequencies[slots] + self._ordinary[slots]
        total = self.documents + self._ordinary_documents
        idf: NDArray[np.float64] = np.maximum(np.log((total + 1.0) / (seen + 0.5)), 0.0)
        return idf


@njit(cache=True)
def _count(frequencies: NDArray[np.int32], slots: NDArray[np.int32]) -> None:
    """One document: what stands in a slot twice counts once."""
    counts = frequencies[slots] + np.int32(1)
    for place in range(len(slots)):
        frequencies[slots[place]] = counts[place]


@njit(cache=True)
def _spread(
    ends: NDArray[np.int64],
    found: Terms,
    frequencies: NDArray[np.int32],
    ordinary: NDArray[np.int32],
    documents: int,
) -> NDArray[np.float32]:
    """Sums by bucket of weights times rarity, of unit length. The terms of text i are those before ends[i].

    Compiled, because it is done for every claim of the window at every review.
    """
    rows = np.empty((len(ends), LEXICAL_DIMENSIONS), dtype=np.float32)
    row = np.empty(LEXICAL_DIMENSIONS)
    term = 0
    for text in range(len(ends)):
        row[:] = 0.0
        while term < ends[text]:
            often = frequencies[found.slots[term]]
            rarity = max(math.log((documents + 1.0) / (often + ordinary[found.slots[term]] + 0.5)), 0.0)
            # A term that nobody else has used yet can join nothing: it only dilutes those that can.
            rarity *= UNREPEATED_WEIGHT if often <= 1 else 1.0
            row[found.buckets[term]] += found.weights[term] * rarity
            term += 1
        length = math.sqrt(np.sum(row * row))
        rows[text] = row / (length if length > 0.0 else 1.0)
    return rows
