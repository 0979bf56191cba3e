"""Vectors of ordinary texts, kept from one process to the next."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from models.background import background_of, ordinary_texts
from models.embedding import HashEmbedder


class Counting(HashEmbedder):
    """Counts the texts that it embeds. scale: another model by another number."""

    def __init__(self, scale: float = 1.0) -> None:
        super().__init__(16)
        self.texts = 0
        self._scale = np.float32(scale)

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.texts += len(texts)
        rows: NDArray[np.float32] = super().embed(texts) * self._scale
        return rows


def means(embedder: HashEmbedder, folder: Path) -> dict[str, NDArray[np.float32]]:
    return dict(background_of(embedder, cache_dir=folder).means)


def test_they_are_embedded_once(tmp_path: Path) -> None:
    first, second = Counting(), Counting()
    known = means(first, tmp_path)
    again = means(second, tmp_path)
    assert first.texts > 100
    assert second.texts < 10
    assert known.keys() == again.keys()
    assert all(np.array_equal(known[language], again[language]) for language in known)
    plain = background_of(Counting()).means
    assert all(np.array_equal(known[language], plain[language]) for language in known)


def test_another_model_of_the_same_name_has_its_own(tmp_path: Path) -> None:
    means(Counting(), tmp_path)
    other = Counting(scale=2.0)
    means(other, tmp_path)
    assert other.texts > 100


@pytest.mark.parametrize("junk", [b"", b"junk", b"\x93NUMPY\x01\x00"])
def test_a_file_that_is_none_is_made_again(tmp_path: Path, junk: bytes) -> None:
    known = means(Counting(), tmp_path)
    (file,) = tmp_path.iterdir()
    file.write_bytes(junk)
    again = means(Counting(), tmp_path)
    assert all(np.array_equal(known[language], again[language]) for language in known)
    assert file.stat().st_size > len(junk)


def test_a_folder_that_cannot_be_written_costs_time_only(tmp_path: Path) -> None:
    file = tmp_path / "no-folder"
    file.write_text("")
    assert background_of(Counting(), cache_dir=file).texts == ordinary_texts()


def test_directions_are_those_that_ordinary_texts_differ_by() -> None:
    class Loud(HashEmbedder):
        """Every other text has a tone that is stronger than what it says."""

        def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
            rows = super().embed(texts)
            rows[::2, 3] += 2.0
            return rows

    background = background_of(Loud(64))
    first = background.directions[0]
    assert abs(first[3]) > 0.99
    assert background.directions.shape == (4, 64)
    assert background_of(None).directions.size == 0
