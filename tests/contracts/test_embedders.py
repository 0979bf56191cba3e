"""The one contract that every embedder keeps: shapes, unit length, and vectors that no company changes."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from models.built_embedder import BuiltEmbedder, BuiltEncoder
from models.embedding import Embedder, HashEmbedder, SentenceTransformerEmbedder, load_embedder
from models.encoder_build import EncoderSource, encoder_folder, is_possible
from models.packaged import build_packaged_model

TEXTS = [
    "Un rachat déguisé, comme d'habitude.",
    "This is an acquisition in disguise.",
    "La batterie ne tient plus la journée.",
]
ODD_TEXTS = [
    "",
    " ",
    "\x00\x07",
    "\ud800 alone",
    "🤖" * 40,
    "a\u0300\u0301\u0302",
    "\u202eright to left",
    "漢字かな交じり文",
    "\ufeff\u200b",
    "<s></s><pad><mask>",
]


class Forgetful(BuiltEmbedder):
    """A fast encoder without its memory of recent texts."""

    def __init__(self, cache_dir: Path, encoder: BuiltEncoder) -> None:
        known = load_embedder("packaged", cache_dir=cache_dir, encoder=encoder)
        model = build_packaged_model(cache_dir)
        source = EncoderSource(known.name, model, lambda: pytest.fail("it is built"))
        super().__init__(encoder_folder(source, cache_dir, encoder), name=known.name, cached_texts=0)


MAKERS: dict[str, Callable[[Path], Embedder]] = {
    "hash": lambda _: HashEmbedder(),
    "packaged": lambda cache_dir: load_embedder("packaged", cache_dir=cache_dir),
    # Without their memory of recent texts, which would hide a vector that depends on the batch.
    "torch, forgetful": lambda cache_dir: SentenceTransformerEmbedder(
        build_packaged_model(cache_dir), cached_texts=0
    ),
    "onnx-int8, forgetful": lambda cache_dir: Forgetful(cache_dir, "onnx-int8"),
}
if is_possible("numba-int8"):
    MAKERS["numba-int8, forgetful"] = lambda cache_dir: Forgetful(cache_dir, "numba-int8")


@pytest.fixture(scope="module", params=MAKERS)
def embedder(request: pytest.FixtureRequest, model_cache_dir: Path) -> Embedder:
    return MAKERS[request.param](model_cache_dir)


def mixed_texts(count: int) -> list[str]:
    """Distinct texts of 1 to 80 words, most of them short, as comments are."""
    rng = np.random.default_rng(7)
    words = [text.split()[n] for text in TEXTS for n in range(5)]
    lengths = 1 + (80 * rng.random(count) ** 3).astype(int)
    return [f"{n} {' '.join(rng.choice(words, length))}" for n, length in enumerate(lengths)]


def test_rows_are_unit_float32_vectors(embedder: Embedder) -> None:
    vectors = embedder.embed(TEXTS)
    assert vectors.shape == (len(TEXTS), embedder.dimensions)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_no_texts_give_no_rows(embedder: Embedder) -> None:
    vectors = embedder.embed([])
    assert vectors.shape == (0, embedder.dimensions)
    assert vectors.dtype == np.float32


def test_it_says_what_it_is(embedder: Embedder) -> None:
    assert embedder.name.strip()
    assert "\n" not in embedder.name


def test_equal_texts_have_equal_vectors_and_others_do_not(embedder: Embedder) -> None:
    first, other, again = embedder.embed([TEXTS[0], TEXTS[1], TEXTS[0]])
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_a_result_belongs_to_the_caller(embedder: Embedder) -> None:
    before = embedder.embed(TEXTS)
    embedder.embed(TEXTS)[:] = 0
    assert np.array_equal(embedder.embed(TEXTS), before)


def test_the_input_is_left_alone(embedder: Embedder) -> None:
    texts = list(TEXTS)
    embedder.embed(texts)
    embedder.embed(tuple(texts))
    assert texts == TEXTS


@pytest.mark.parametrize("size", [1, 2, 7, 33])
def test_batch_size_changes_no_bit(embedder: Embedder, size: int) -> None:
    texts = mixed_texts(70)
    starts = range(0, len(texts), size)
    in_parts = np.concatenate([embedder.embed(texts[start : start + size]) for start in starts])
    assert np.array_equal(in_parts, embedder.embed(texts))


def test_order_and_company_change_no_bit(embedder: Embedder) -> None:
    texts = mixed_texts(70)
    vectors = embedder.embed(texts)
    order = np.random.default_rng(3).permutation(len(texts))
    assert np.array_equal(embedder.embed([texts[i] for i in order]), vectors[order])
    chosen = list(range(0, 70, 3))
    among_others = embedder.embed([f"{text} !" for text in texts[:20]] + [texts[i] for i in chosen])
    assert np.array_equal(among_others[20:], vectors[chosen])


def test_threads_do_not_disturb_each_other(embedder: Embedder) -> None:
    texts = mixed_texts(24)
    expected = embedder.embed(texts)
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda start: embedder.embed(texts[start:]), range(8)))
    assert all(np.array_equal(result, expected[start:]) for start, result in enumerate(results))


def test_a_very_long_text_is_only_a_text(embedder: Embedder) -> None:
    long = "Ils vendent nos commentaires. " * 3400
    unbroken = "x" * 100_000
    vectors = embedder.embed([long, unbroken, TEXTS[0]])
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert np.array_equal(vectors[2], embedder.embed(TEXTS)[0])


def test_odd_characters_are_embedded(embedder: Embedder) -> None:
    vectors = embedder.embed(ODD_TEXTS)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    alone = np.concatenate([embedder.embed([text]) for text in ODD_TEXTS])
    assert np.array_equal(vectors, alone)
