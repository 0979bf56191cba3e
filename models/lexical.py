"""The lexical view of a claim: hashed words and character 4-grams, weighted by how rare they are.

Dense vectors know what a claim is about; the terms it shares with others tell whether it is the same claim.
Character n-grams see through inflection in every language and need no tokenizer. Features are hashed twice:
into a table of document frequencies, and with a random sign into a short dense vector, so that memory does
not grow with the vocabulary (feature hashing: Weinberger et al. 2009).
"""

import re
import unicodedata

import numpy as np
from numpy.typing import NDArray

__all__ = ["LEXICAL_DIMENSIONS", "LexicalView", "fold", "shingles", "word_hashes", "words"]

LEXICAL_DIMENSIONS = 1024  # collisions cost about 1/sqrt(1024) = 0.03 of cosine, far below any threshold
DF_BITS = 18  # 262,144 counters, 1 MiB: a year of one desk's terms collides in a few per cent
GRAM = 4
SHINGLE_WORDS = 3
_WORD = re.compile(r"[^\W_]+")
_SPACE = np.uint64(ord(" "))
_PRIME = np.uint64(0x9E3779B97F4A7C15)
_SHIFT = np.uint64(29)
_SIGN = np.uint64(63)


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


class LexicalView:
    """Turns texts into vectors whose weights follow the document frequencies seen so far."""

    def __init__(self, dimensions: int = LEXICAL_DIMENSIONS) -> None:
        self.dimensions = dimensions
        self.documents = 0
        self.frequencies: NDArray[np.int32] = np.zeros(1 << DF_BITS, dtype=np.int32)

    def add(self, text: str) -> NDArray[np.float32]:
        """Count the text's terms, then return its vector: (dimensions,), unit length or zero without terms."""
        tokens = words(text)
        features = np.concatenate([word_hashes(tokens), _gram_hashes(_letters(tokens))])
        return self._vector(*np.unique(features, return_counts=True))

    def _vector(self, features: NDArray[np.uint64], counts: NDArray[np.intp]) -> NDArray[np.float32]:
        slots = self._slots(features)
        self.documents += 1
        self.frequencies[slots] += 1
        weights = (1.0 + np.log(counts)) * self._idf(slots)
        signed = np.where(features >> _SIGN, weights, -weights)
        buckets = ((features >> np.uint64(40)) % np.uint64(self.dimensions)).astype(np.intp)
        vector = np.bincount(buckets, weights=signed, minlength=self.dimensions)
        length = float(np.sqrt(vector @ vector))
        return (vector / length if length else vector).astype(np.float32)

    def rarity(self, tokens: list[str]) -> NDArray[np.float64]:
        """Inverse document frequency of folded words, natural logarithm, at least 0."""
        return self._idf(self._slots(word_hashes(tokens)))

    def _slots(self, features: NDArray[np.uint64]) -> NDArray[np.intp]:
        return ((features >> np.uint64(8)) & np.uint64((1 << DF_BITS) - 1)).astype(np.intp)

    def _idf(self, slots: NDArray[np.intp]) -> NDArray[np.float64]:
        return np.maximum(np.log((self.documents + 1.0) / (self.frequencies[slots] + 0.5)), 0.0)
