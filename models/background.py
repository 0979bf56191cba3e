"""What is ordinary before a stream has been read: everyday comments in four languages, written for this.

They give the mean vector of each language in an embedding space (without one, an English watch could not be
compared with a French claim) and the words that mean nothing in particular. A stream's own figures take
over after some dozens of claims.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from importlib import resources

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.embedding import Embedder
from models.judge import Judge, judge_of

__all__ = ["Background", "background_of", "ordinary_texts"]

_FILE = "background.jsonl"
SENTENCES_PER_LANGUAGE = 64  # enough for a mean: more moves it by less than a claim does


class _Line(msgspec.Struct, frozen=True):
    lang: str
    text: str


class Background(msgspec.Struct, frozen=True):
    """Texts whose terms are ordinary, the mean vector (d,) of each language, and the judge of such vectors,
    if there is one.
    """

    texts: Sequence[str] = ()
    means: Mapping[str, NDArray[np.float32]] = {}
    judge: Judge | None = None


@cache
def _lines() -> tuple[_Line, ...]:
    raw = resources.files("models").joinpath("data", _FILE).read_bytes()
    return tuple(msgspec.json.Decoder(_Line).decode_lines(raw))


def ordinary_texts() -> list[str]:
    """The texts of all languages."""
    return [line.text for line in _lines()]


def background_of(embedder: Embedder | None) -> Background:
    """The background in the space of an embedder's vectors; None: of no known model.

    Embeds some 250 short texts: a second or two, to be done once a process.
    """
    if embedder is None:
        return Background(ordinary_texts())
    chosen: dict[str, list[str]] = {}
    for line in _lines():
        texts = chosen.setdefault(line.lang, [])
        if len(texts) < SENTENCES_PER_LANGUAGE:
            texts.append(line.text)
    rows = embedder.embed([text for texts in chosen.values() for text in texts])
    ends = np.cumsum([len(texts) for texts in chosen.values()])[:-1]
    means = [part.mean(axis=0, dtype=np.float64).astype(np.float32) for part in np.split(rows, ends)]
    return Background(ordinary_texts(), dict(zip(chosen, means, strict=True)), judge_of(embedder.name))
