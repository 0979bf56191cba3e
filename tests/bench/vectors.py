"""An embedder that keeps vectors on the disk, so that a second run does not wait for the model."""

import hashlib
import sqlite3
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.embedding import Embedder, encoder_of, load_embedder

__all__ = ["StoredEmbedder", "stored_embedder"]

_STORE = Path(__file__).resolve().parents[2] / ".cache" / "bench"

_CHUNK_TEXTS = 1_024  # embedded and stored at once: an interrupted run keeps what it has


class StoredEmbedder:
    """Another embedder's vectors, by model, encoder and text; see `models.embedding.Embedder`."""

    def __init__(self, embedder: Embedder, folder: Path) -> None:
        """Open or make the store in `folder`."""
        folder.mkdir(parents=True, exist_ok=True)
        self._embedder = embedder
        self._encoder = encoder_of(embedder).split(",")[0]
        self._store = sqlite3.connect(folder / "vectors.sqlite")
        self._store.execute("CREATE TABLE IF NOT EXISTS vectors (key BLOB PRIMARY KEY, vector BLOB NOT NULL)")

    @property
    def name(self) -> str:
        """The model's, since judges and the like go by it."""
        return self._embedder.name

    @property
    def dimensions(self) -> int:
        """Of the vectors."""
        return self._embedder.dimensions

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """(n, d) float32, of unit length."""
        rows = np.empty((len(texts), self.dimensions), dtype=np.float32)
        for start in range(0, len(texts), _CHUNK_TEXTS):
            chunk = texts[start : start + _CHUNK_TEXTS]
            rows[start : start + len(chunk)] = self._embed(chunk)
        return rows

    def _embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        keys = [self._key(text) for text in texts]
        known = {key: vector for key in keys if (vector := self._stored(key)) is not None}
        missing = {key: text for key, text in zip(keys, texts, strict=True) if key not in known}
        if missing:
            fresh = self._embedder.embed(list(missing.values()))
            known.update(zip(missing, fresh, strict=True))
            with self._store:
                rows = [(key, known[key].astype("<f4").tobytes()) for key in missing]
                self._store.executemany("INSERT OR REPLACE INTO vectors VALUES (?, ?)", rows)
        return np.stack([known[key] for key in keys])

    def _stored(self, key: bytes) -> NDArray[np.float32] | None:
        row = self._store.execute("SELECT vector FROM vectors WHERE key = ?", (key,)).fetchone()
        return None if row is None else np.frombuffer(row[0], dtype="<f4").astype(np.float32)

    def _key(self, text: str) -> bytes:
        # Encoders of one model differ in the third decimal place.
        named = f"{self.name}\0{self._encoder}\0{text}".encode("utf-8", "surrogatepass")
        return hashlib.blake2b(named, digest_size=16).digest()


def stored_embedder() -> StoredEmbedder:
    """The packaged model, with the store that all benches share."""
    return StoredEmbedder(load_embedder("packaged"), _STORE)
