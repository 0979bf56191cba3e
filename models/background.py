"""What is ordinary before a stream has been read, from everyday comments in four languages.

They (`models.ordinary`) give the mean vector of each language in an embedding space (without one, an English
watch could not be compared with a French claim) and the words that mean nothing in particular. A stream's own
figures take over after some dozens of claims.
"""

import hashlib
import logging
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.embedding import Embedder
from models.judge import Judge, judge_of
from models.metric import Metric, metric_of
from models.ordinary import ordinary_lines, ordinary_texts

__all__ = ["Background", "background_of", "ordinary_texts"]

_PROBES = 4
_DIRECTIONS = 4  # from 3 to 8 watches find alike, with none or with 32 less (tests.bench.watches)
_NO_LENGTH = 1e-9
SENTENCES_PER_LANGUAGE = 64  # enough for a mean: more moves it by less than a claim does


_logger = logging.getLogger(__name__)


class Background(msgspec.Struct, frozen=True):
    """Texts whose terms are ordinary, the mean vector (d,) of each language, and the judge and the metric of
    such vectors, if there are any.

    directions: (k, d), orthonormal; those in which ordinary texts, less their means, differ most.
    """

    texts: Sequence[str] = ()
    means: Mapping[str, NDArray[np.float32]] = {}
    judge: Judge | None = None
    directions: NDArray[np.float32] = np.zeros((0, 0), dtype=np.float32)
    metric: Metric | None = None


def background_of(embedder: Embedder | None, *, cache_dir: Path | None = None) -> Background:
    """The background in the space of an embedder's vectors; None: of no known model.

    Embeds some 250 short texts: seconds, to be done once a process, or once a machine where there is a folder
    to keep their vectors in.
    """
    if embedder is None:
        return Background(ordinary_texts())
    chosen: dict[str, list[str]] = {}
    for line in ordinary_lines():
        texts = chosen.setdefault(line.lang, [])
        if len(texts) < SENTENCES_PER_LANGUAGE:
            texts.append(line.text)
    rows = _embedded(embedder, [text for texts in chosen.values() for text in texts], cache_dir)
    ends = np.cumsum([len(texts) for texts in chosen.values()])[:-1]
    parts = np.split(rows, ends)
    means = [part.mean(axis=0, dtype=np.float64).astype(np.float32) for part in parts]
    return Background(
        ordinary_texts(),
        dict(zip(chosen, means, strict=True)),
        judge_of(embedder.name),
        _directions(np.concatenate([part - mean for part, mean in zip(parts, means, strict=True)])),
        metric_of(embedder.name),
    )


def _directions(centred: NDArray[np.float32]) -> NDArray[np.float32]:
    """Of n vectors (n, d) without their means: the first right singular vectors, (k, d).

    In these, texts differ that have nothing to do with one another: by tone and form, and not by what they
    claim (Mu & Viswanath 2018, "All-but-the-Top").
    """
    lengths = np.linalg.norm(centred.astype(np.float64), axis=1, keepdims=True)
    _, _, found = np.linalg.svd(centred / np.maximum(lengths, _NO_LENGTH), full_matrices=False)
    return np.asarray(found[:_DIRECTIONS], dtype=np.float32)


def _embedded(embedder: Embedder, texts: list[str], cache_dir: Path | None) -> NDArray[np.float32]:
    """Vectors of the texts, (n, d), kept from one process to the next.

    A few are embedded anyway: they stand for the model and the machine, of which another gives other bits.
    """
    if cache_dir is None:
        return embedder.embed(texts)
    digest = hashlib.blake2b(
        embedder.embed(texts[:: max(1, len(texts) // _PROBES)]).tobytes(), digest_size=16
    )
    digest.update("\x1f".join([embedder.name, *texts]).encode())
    file = cache_dir / f"background-{digest.hexdigest()}.npy"
    try:
        known: NDArray[np.float32] = np.load(file, allow_pickle=False)
        if known.shape == (len(texts), embedder.dimensions) and known.dtype == np.float32:
            return known
    except (OSError, ValueError, EOFError) as error:
        _logger.debug("no vectors of ordinary texts are kept: %s", error)
    rows = embedder.embed(texts)
    _keep(file, rows)
    return rows


def _keep(file: Path, rows: NDArray[np.float32]) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=file.parent, prefix=f"{file.stem}-", delete=False) as made:
            np.save(made, rows)
        Path(made.name).replace(file)
    except OSError as error:  # nothing but time is lost
        _logger.warning("the vectors of ordinary texts cannot be kept: %s", error)
