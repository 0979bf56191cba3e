"""One vector a claim: the dense view centred by language, beside the lexical view.

Sentence vectors crowd round a mean that says little but "French" or "English"; subtracting each language's
running mean spreads the claims apart and lets a French and an English voice meet. The inner product of two
rows is  DENSE_SHARE * cosine(centred dense) + (1 - DENSE_SHARE) * cosine(weighted terms),  in [-1, 1].
Means and term weights move while the stream is read, so rows are made anew when claims are compared again.
"""

from collections.abc import Mapping, Sequence
from typing import TypeVar

import msgspec
import numpy as np
from numba import njit
from numpy.typing import NDArray

from models.background import Background
from models.lexical import LEXICAL_DIMENSIONS, LexicalView, Terms

__all__ = ["DENSE_SHARE", "LanguageMeans", "Representation", "mirrored", "products_of"]

DENSE_SHARE = 0.6  # 0.5 to 0.7 are alike on the development streams; terms or vectors alone are worse
PRIOR_CLAIMS = 5  # how many claims of the stream weigh as much as the background; more blurs single threads
_FEW_TEXTS = 10  # the mean of so many texts is believed by half
_DENSE_SCALE = np.float32(np.sqrt(DENSE_SHARE))
_LEXICAL_SCALE = np.float32(np.sqrt(1.0 - DENSE_SHARE))
_NO_DIRECTION = 1e-6  # shorter than this, a centred vector has no direction (the first claim of a stream)

_NO_TERMS = np.zeros(LEXICAL_DIMENSIONS, dtype=np.float32)

T = TypeVar("T", np.float32, np.float64)


class _Mean(msgspec.Struct):
    total: NDArray[np.float64]
    count: float


class LanguageMeans:
    """Running mean vector of each language, started from a prior where there is one.

    prior: language to mean vector (d,), see `models.background`; a language without one starts from the
    mean of everything seen.
    """

    def __init__(self, dimensions: int, prior: Mapping[str, NDArray[np.float32]] | None = None) -> None:
        self._dimensions = dimensions
        self._by_language: dict[str, _Mean] = {}
        self._all = _Mean(np.zeros(dimensions), 0.0)
        for language, mean in sorted((prior or {}).items()):
            self._by_language[language] = _Mean(mean.astype(np.float64) * PRIOR_CLAIMS, PRIOR_CLAIMS)
            self._all.total += mean.astype(np.float64) * PRIOR_CLAIMS
            self._all.count += PRIOR_CLAIMS

    def mean(self, language: str) -> NDArray[np.float64]:
        """The mean that vectors of this language are centred by, (d,)."""
        found = self._by_language.get(language, self._all)
        return found.total / max(found.count, 1.0)

    def add(self, language: str, vector: NDArray[np.float32]) -> None:
        """Count one vector (d,)."""
        if language not in self._by_language:
            start = self._all.total / max(self._all.count, 1.0)
            weight = PRIOR_CLAIMS if self._all.count else 0
            self._by_language[language] = _Mean(start * weight, weight)
        for mean in (self._all, self._by_language[language]):
            _add(mean.total, vector)
            mean.count += 1.0

    def centre(self, language: str, vector: NDArray[np.float32]) -> NDArray[np.float32]:
        """The vector less its language's mean, (d,), unit length; zero where nothing is left."""
        centred = vector - self.mean(language)
        length = float(np.sqrt(centred @ centred))
        return (centred / length if length > _NO_DIRECTION else centred * 0.0).astype(np.float32)

    def state(self) -> dict[str, tuple[bytes, float]]:
        """Everything that changes, to be given to `load`."""
        means = {**self._by_language, "": self._all}
        return {
            language: (mean.total.astype("<f8").tobytes(), mean.count) for language, mean in means.items()
        }

    def load(self, state: Mapping[str, tuple[bytes, float]]) -> None:
        """Take over what `state` returned.  Raises ValueError when the dimensions differ."""
        means = {
            k: _Mean(np.frombuffer(total, dtype="<f8").copy(), count) for k, (total, count) in state.items()
        }
        if any(mean.total.shape != (self._dimensions,) for mean in means.values()):
            raise ValueError(f"the snapshot is of another model: not {self._dimensions} dimensions")
        self._all = means.pop("")
        self._by_language = means


class Representation:
    """Turns claims into the rows that are clustered, by what has been counted so far."""

    def __init__(self, dense: int, background: Background | None = None) -> None:
        ordinary = background or Background()
        self.dense = dense
        self.dimensions = dense + LEXICAL_DIMENSIONS + 2
        self.means = LanguageMeans(dense, ordinary.means)
        self.common = ordinary.directions.astype(np.float64)  # that ordinary texts differ by, (k, dense)
        self.lexical = LexicalView(ordinary.texts)
        # What claims of a language share lexically, (lexical,). Any two texts of one language share letters,
        # those of two languages do not: without this, claims would be told apart by language.
        self.usual: dict[str, NDArray[np.float32]] = {}

    def count(self, language: str, vector: NDArray[np.float32], found: Terms) -> None:
        """Count one claim of the stream. vector: (dense,)."""
        self.means.add(language, vector)
        self.lexical.count(found)

    def row(
        self, language: str, vector: NDArray[np.float32], found: Terms, substance: float
    ) -> NDArray[np.float32]:
        """The row of one claim, as `rows` makes it but for rounding: (dense + lexical + 2,)."""
        row = np.empty(self.dimensions, dtype=np.float32)
        usual = self.usual.get(language, _NO_TERMS)
        _fill(row, vector, self.means.mean(language), self.lexical.row(found), usual)
        row[-2], row[-1] = substance, 1.0
        return row

    def rows(
        self,
        languages: Sequence[str],
        vectors: NDArray[np.float32],
        texts: Sequence[Terms],
        substance: NDArray[np.float32],
    ) -> NDArray[np.float32]:
        """Rows of n claims (at least one): (n, dense + lexical + 2) float32.

        substance: (n,), what each adds to its similarity to anything: see `mirrored` on the last columns.
        """
        rows = self._plain_rows(languages, vectors, texts, substance)
        self._subtract_usual(languages, rows)
        return rows

    def rows_of_recent(
        self,
        languages: Sequence[str],
        vectors: NDArray[np.float32],
        texts: Sequence[Terms],
        substance: NDArray[np.float32],
    ) -> NDArray[np.float32]:
        """What `rows` returns, after learning from these claims what those of each language share."""
        rows = self._plain_rows(languages, vectors, texts, substance)
        known, codes = _coded(languages)
        counts = np.bincount(codes).astype(np.float32)
        belongs = (codes == np.arange(len(known))[:, None]).astype(np.float32)
        shared = belongs @ rows[:, self.dense : -2] / (counts + np.float32(_FEW_TEXTS))[:, None]
        self.usual = dict(zip(known, shared, strict=True))
        self._subtract_usual(languages, rows)
        return rows

    def _plain_rows(
        self,
        languages: Sequence[str],
        vectors: NDArray[np.float32],
        texts: Sequence[Terms],
        substance: NDArray[np.float32],
    ) -> NDArray[np.float32]:
        rows = np.empty((len(texts), self.dimensions), dtype=np.float32)
        rows[:, : self.dense] = self._centred(languages, vectors)
        np.multiply(self.lexical.rows(texts), _LEXICAL_SCALE, out=rows[:, self.dense : -2])
        rows[:, -2], rows[:, -1] = substance, 1.0
        return rows

    def _subtract_usual(self, languages: Sequence[str], rows: NDArray[np.float32]) -> None:
        if self.usual:
            none = np.zeros(LEXICAL_DIMENSIONS, dtype=np.float32)
            known, codes = _coded(languages)
            rows[:, self.dense : -2] -= np.stack([self.usual.get(one, none) for one in known])[codes]

    def _centred(self, languages: Sequence[str], vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """Vectors less their language's mean, (n, dense): as long as the dense share, or zero."""
        known, codes = _coded(languages)
        means = np.stack([self.means.mean(language) for language in known]).astype(np.float32)
        centred: NDArray[np.float32] = vectors - means[codes]
        lengths = np.sqrt(np.vecdot(centred, centred))
        scale = np.where(lengths > _NO_DIRECTION, _DENSE_SCALE / np.maximum(lengths, _NO_DIRECTION), 0.0)
        centred *= scale.astype(np.float32)[:, None]
        return centred


@njit(cache=True)
def _add(total: NDArray[np.float64], vector: NDArray[np.float32]) -> None:
    for column in range(len(total)):
        total[column] += vector[column]


@njit(cache=True)
def _fill(
    row: NDArray[np.float32],
    vector: NDArray[np.float32],
    mean: NDArray[np.float64],
    lexical: NDArray[np.float32],
    usual: NDArray[np.float32],
) -> None:
    dense = len(vector)
    total = np.float32(0.0)
    for column in range(dense):
        row[column] = vector[column] - np.float32(mean[column])
        total += row[column] * row[column]
    length = np.sqrt(total)
    row[:dense] *= _DENSE_SCALE / length if length > _NO_DIRECTION else np.float32(0.0)
    for column in range(len(lexical)):
        row[dense + column] = lexical[column] * _LEXICAL_SCALE - usual[column]


def _coded(languages: Sequence[str]) -> tuple[list[str], NDArray[np.intp]]:
    """The distinct languages, sorted, and for each claim which of them is its own."""
    known = sorted(set(languages))
    code = {language: number for number, language in enumerate(known)}
    return known, np.array([code[language] for language in languages], dtype=np.intp)


def mirrored(rows: NDArray[T]) -> NDArray[T]:
    """Rows (…, d) with the last two columns exchanged.

    The inner product of a row and a mirrored one is the similarity of two claims: that of their texts, plus
    what each adds of its own (substance times one, and one times substance). For sums of rows it becomes the
    sum over all pairs.
    """
    return np.concatenate([rows[..., :-2], rows[..., -1:], rows[..., -2:-1]], axis=-1)


def products_of(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """`rows @ mirrored(rows).T`, (n, n), in half the time: each pair is multiplied once."""
    texts, (own, counts) = rows[:, :-2], rows[:, -2:].T
    products: NDArray[np.float32] = texts @ texts.T
    crossed = np.outer(own, counts)
    products += crossed
    products += crossed.T
    return products
