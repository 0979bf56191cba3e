"""What every embedder with a model has in common: equal texts are embedded once, recent ones not again."""

import threading
from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from models.errors import ModelError
from models.sentence_library import give_memory_back

__all__ = ["CACHED_TEXTS", "RememberingEmbedder", "readable", "unit_rows"]

CACHED_TEXTS = 8192  # 12 MB of vectors at 384 dimensions

_TIDY_TEXTS = 1024  # some seconds of work between two returns of memory to the system
_CACHED_CHARACTERS = 2000  # longer texts hardly ever recur, and would make the cache's size unbounded


class RememberingEmbedder(ABC):
    """See `models.embedding.Embedder`. encoder: what computes, for a person to read.

    A subclass sets `dimensions`, and embeds distinct texts, one call at a time.
    """

    dimensions: int

    def __init__(self, name: str, encoder: str, *, cached_texts: int = CACHED_TEXTS) -> None:
        self.name = name
        self.encoder = encoder
        self._lock = threading.Lock()
        self._cache: OrderedDict[str, NDArray[np.float32]] = OrderedDict()
        self._cached_texts = cached_texts
        self._since_tidied = 0

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """See `models.embedding.Embedder`."""
        wanted = [readable(text) for text in texts]
        with self._lock:
            vectors = self._vectors(dict.fromkeys(wanted))
            self._tidy(len(vectors))
        return np.stack([vectors[text] for text in wanted]) if wanted else self._empty(0)

    def forget(self) -> None:
        """Let go of the recent texts, so that all are embedded again: for measurements."""
        with self._lock:
            self._cache.clear()

    @abstractmethod
    def _embed_distinct(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """(n, d) unit rows of texts that are readable."""

    def _vectors(self, texts: Iterable[str]) -> dict[str, NDArray[np.float32]]:
        known = {text: self._cache[text] for text in texts if text in self._cache}
        fresh = [text for text in texts if text not in known]
        known.update(zip(fresh, self._embed_distinct(fresh), strict=True))
        self._remember(known)
        return known

    def _remember(self, vectors: dict[str, NDArray[np.float32]]) -> None:
        for text, vector in vectors.items():
            if len(text) <= _CACHED_CHARACTERS:
                self._cache[text] = vector.copy()  # a view would keep the whole batch alive
                self._cache.move_to_end(text)
        while len(self._cache) > self._cached_texts:
            self._cache.popitem(last=False)

    def _tidy(self, texts: int) -> None:
        self._since_tidied += texts
        if self._since_tidied >= _TIDY_TEXTS:
            self._since_tidied = 0
            give_memory_back()

    def _empty(self, rows: int) -> NDArray[np.float32]:
        return np.empty((rows, self.dimensions), dtype=np.float32)


def readable(text: str) -> str:
    """The text with lone surrogates, which no tokenizer takes, replaced."""
    return text.encode("utf-8", "replace").decode("utf-8")


def unit_rows(rows: NDArray[np.float32], name: str) -> NDArray[np.float32]:
    """The rows at length 1.  Raises ModelError when one has no direction; name: of the model."""
    lengths: NDArray[np.float32] = np.linalg.norm(rows, axis=1, keepdims=True)
    if not (np.isfinite(lengths) & (lengths > 0)).all():
        raise ModelError(f"the model {name} gave a vector without direction: is it damaged?")
    return rows / lengths
