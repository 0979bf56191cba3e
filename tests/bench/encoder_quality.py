"""What 8-bit vectors cost in quality: `python -m tests.bench.encoder_quality`.

narrawatch reads a labelled set with the vectors of 32-bit numbers, with those of 8-bit ones, with both mixed
(half of the texts each, as when workers differ), and with 32-bit ones that were moved a little by chance, a
few times over. The last rows say how far the figures move by chance alone: what lies between them is no loss.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence

import click
import numpy as np
from numpy.typing import NDArray

from models.background import background_of
from models.embedding import Embedder, encoder_of, load_embedder
from models.encoders import Encoder
from tests.bench.running import run_product
from tests.bench.sets import SETS, BenchSet, Stream, is_there

__all__ = ["main"]

_COSINES = (0.9999, 0.9996)
_SEEDS = (1, 2, 3)

Vectors = Callable[[str], NDArray[np.float32]]


class _Made:
    """An embedder whose vectors a function makes; see `models.embedding.Embedder`."""

    def __init__(self, name: str, dimensions: int, vector: Vectors) -> None:
        self.name = name
        self.dimensions = dimensions
        self._vector = vector

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        rows = [self._vector(text) for text in texts]
        return np.stack(rows) if rows else np.empty((0, self.dimensions), np.float32)


class _Known:
    """Vectors of texts, each embedded once."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self._known: dict[str, NDArray[np.float32]] = {}

    def read(self, texts: Sequence[str]) -> None:
        missing = [text for text in dict.fromkeys(texts) if text not in self._known]
        self._known.update(zip(missing, self._embedder.embed(missing), strict=True))

    def __call__(self, text: str) -> NDArray[np.float32]:
        self.read([text])
        return self._known[text]


@click.command()
@click.option("--set", "name", type=click.Choice([one.name for one in SETS]), default=SETS[0].name)
@click.option("--limit", type=int, help="So many comments of each stream.")
@click.option("--encoder", default="auto", show_default=True, help="As the setting of that name.")
def main(name: str, limit: int | None, encoder: Encoder) -> None:
    """Print a table."""
    chosen = next(one for one in SETS if one.name == name)
    if not is_there(chosen):
        raise click.ClickException(f"{name} is not here")
    for line in report(chosen, limit, encoder):
        click.echo(line)


def report(chosen: BenchSet, limit: int | None, encoder: Encoder) -> Iterator[str]:
    """The lines of the table."""
    streams = [stream._replace(comments=stream.comments[:limit]) for stream in chosen.load()]
    exact = load_embedder("packaged", encoder="onnx")
    tried = load_embedder("packaged", encoder=encoder)
    yield f"8 bits: {encoder_of(tried)}"
    yield ""
    wide, narrow = _Known(exact), _Known(tried)
    ways: dict[str, Vectors] = {
        "32 bits": wide,
        "8 bits": narrow,
        "mixed": lambda text: (narrow if _digest(text) % 2 else wide)(text),
    }
    for cosine in _COSINES:
        for seed in _SEEDS:
            ways[f"32 bits, cosine {cosine}, {seed}"] = _moved(wide, cosine, seed)
    yield from _table(ways, exact, streams, split=chosen.split)


def _table(
    ways: dict[str, Vectors], exact: Embedder, streams: Sequence[Stream], *, split: bool
) -> Iterator[str]:
    names: tuple[str, ...] = ()
    for way, vectors in ways.items():
        embedder = _Made(exact.name, exact.dimensions, vectors)
        figures = run_product(streams, embedder, background_of(embedder), split=split).figures
        assert figures is not None
        if not names:
            names = figures._fields
            yield "| vectors | " + " | ".join(names) + " |"
            yield "|---" * (len(names) + 1) + "|"
        shown = ("–" if value is None else f"{value:.3f}" for value in figures)
        yield f"| {way} | " + " | ".join(shown) + " |"


def _moved(vectors: Vectors, cosine: float, seed: int) -> Vectors:
    """Each vector turned by chance, so far that this cosine is left."""
    size = np.sqrt(1 / cosine**2 - 1)

    def moved(text: str) -> NDArray[np.float32]:
        vector = vectors(text)
        away = np.random.default_rng([seed, _digest(text)]).standard_normal(len(vector))
        away -= (away @ vector) * vector
        turned = vector + away * (size / np.linalg.norm(away))
        turned /= np.linalg.norm(turned)
        return np.asarray(turned, dtype=np.float32)

    return moved


def _digest(text: str) -> int:
    raw = text.encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(raw, digest_size=8).digest())


if __name__ == "__main__":
    main()
