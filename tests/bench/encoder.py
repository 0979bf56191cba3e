"""How fast texts are embedded: `python -m tests.bench.encoder`.

Ours against `SentenceTransformer.encode` with its defaults, on the same texts and the same number of threads:
comments written for this project, as long as claims are, each once, without memory of earlier ones. Rounds
alternate, since other programs may be at work; the figure is the median of the rounds' ratios. The CPU ratio
is that of the processors' time, which others disturb less. Then the parts of ours on one thread, and how near
its vectors are. `--texts`, `--rounds` and `--threads` change it.
"""

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, cast

import click
import numpy as np
import torch
from sentence_transformers import SentenceTransformer

from models.background import ordinary_texts
from models.built_embedder import BuiltEmbedder
from models.embedding import encoder_of
from models.encoders import Encoder, EncoderChoice, open_model
from models.packaged import build_packaged_model, default_cache_dir
from tests.worlds import names, read_world

__all__ = ["main"]

_TEXTS = 400
_ROUNDS = 5
_WARM_TEXTS = 40


class Comparison(NamedTuple):
    """texts/s of both in each round, and what all rounds took of the processors' time."""

    threads: int
    plain: list[float]
    ours: list[float]
    plain_cpu_seconds: float
    our_cpu_seconds: float

    @property
    def ratio(self) -> float:
        """Median over the rounds."""
        return statistics.median(ours / plain for ours, plain in zip(self.ours, self.plain, strict=True))


@click.command()
@click.option("--texts", default=_TEXTS, show_default=True)
@click.option("--rounds", default=_ROUNDS, show_default=True)
@click.option("--threads", type=int, multiple=True, default=(1, 2), show_default=True)
@click.option("--encoder", default="auto", show_default=True, help="As the setting of that name.")
def main(texts: int, rounds: int, threads: Sequence[int], encoder: Encoder) -> None:
    """Print the tables."""
    for line in report(sample(texts), rounds, threads, encoder):
        print(line, flush=True)


def report(texts: Sequence[str], rounds: int, threads: Sequence[int], encoder: Encoder) -> Iterator[str]:
    """The lines, as they are measured."""
    folder = build_packaged_model(default_cache_dir())
    model = SentenceTransformer(str(folder), device="cpu", local_files_only=True)
    words = sum(len(text.split()) for text in texts) / len(texts)
    embedder = _ours(folder, 1, encoder)
    yield f"{len(texts)} texts of {words:.0f} words on average, {rounds} rounds; ours: {encoder_of(embedder)}"
    yield ""
    yield "| threads | plain, texts/s | ours, texts/s | ratio, median (least, most) | CPU ratio |"
    yield "|---|---|---|---|---|"
    for count in threads:
        yield _row(_compared(model, _ours(folder, count, encoder), texts, rounds, count))
    yield ""
    yield from _parts(embedder, texts)
    yield ""
    yield _agreement(embedder, model, texts)


def sample(count: int) -> list[str]:
    """Distinct texts, as long as claims are: comments of the worlds, cut to 60 words, and ordinary ones."""
    comments = [comment.text for name in names() for comment in read_world(name).comments]
    cut = (" ".join(text.split()[:60]) for text in [*comments, *ordinary_texts()])
    distinct = list(dict.fromkeys(cut))
    order = np.random.default_rng(0).permutation(len(distinct))
    return [distinct[i] for i in order[:count]]


def _ours(folder: Path, threads: int, encoder: Encoder) -> BuiltEmbedder:
    wanted = EncoderChoice(encoder, default_cache_dir(), threads=threads)
    embedder = cast("BuiltEmbedder", open_model("packaged", folder, wanted))
    embedder.forget()
    return embedder


def _compared(
    model: Any, embedder: BuiltEmbedder, texts: Sequence[str], rounds: int, threads: int
) -> Comparison:
    torch.set_num_threads(threads)

    def plain() -> object:
        return model.encode(list(texts), show_progress_bar=False)

    def ours() -> object:
        embedder.forget()
        return embedder.embed(texts)

    model.encode(list(texts[:_WARM_TEXTS]), show_progress_bar=False)
    embedder.embed(texts[:_WARM_TEXTS])
    found = Comparison(threads, [], [], 0.0, 0.0)
    for _ in range(rounds):
        for call, speeds in ((plain, found.plain), (ours, found.ours)):
            seconds, cpu_seconds = _timed(call)
            speeds.append(len(texts) / seconds)
            field = "our_cpu_seconds" if call is ours else "plain_cpu_seconds"
            found = found._replace(**{field: getattr(found, field) + cpu_seconds})
    return found


def _timed(call: Callable[[], object]) -> tuple[float, float]:
    """Seconds, and seconds of processors."""
    begun, cpu_begun = time.perf_counter(), time.process_time()
    call()
    return time.perf_counter() - begun, time.process_time() - cpu_begun


def _row(found: Comparison) -> str:
    ratios = [ours / plain for ours, plain in zip(found.ours, found.plain, strict=True)]
    return (
        f"| {found.threads} | {statistics.median(found.plain):.0f} | {statistics.median(found.ours):.0f}"
        f" | **{found.ratio:.2f}** ({min(ratios):.2f}, {max(ratios):.2f})"
        f" | {found.plain_cpu_seconds / found.our_cpu_seconds:.2f} |"
    )


def _parts(embedder: BuiltEmbedder, texts: Sequence[str]) -> Iterator[str]:
    """Seconds of the steps, one after the other on one thread."""
    begun = time.perf_counter()
    ids = embedder.tokenise(texts)
    tokenised = time.perf_counter()
    infer = 0.0
    for members in embedder.passes([len(one) for one in ids]):
        start = time.perf_counter()
        embedder.network.run([ids[i] for i in members])
        infer += time.perf_counter() - start
    steps = {"tokenise": tokenised - begun, "infer": infer}
    total = sum(steps.values())
    pieces = sum(len(one) for one in ids)
    yield f"Parts on one thread, {pieces:,} tokens, {pieces / total:,.0f} tokens/s:"
    for name, seconds in steps.items():
        yield f"- {name}: {seconds / len(texts) * 1e3:.3f} ms a text, {seconds / total:.1%}"


def _agreement(embedder: BuiltEmbedder, model: Any, texts: Sequence[str]) -> str:
    rows = model.encode(list(texts), normalize_embeddings=True, show_progress_bar=False)
    cosines = (embedder.embed(texts) * rows).sum(axis=1)
    return (
        f"Cosine with sentence-transformers: {cosines.mean():.5f} on average, {cosines.min():.5f} at least."
    )


if __name__ == "__main__":
    main()
