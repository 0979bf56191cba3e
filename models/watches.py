"""Watches: narratives that the user described in advance, found from the first mention in any language.

A claim matches when its centred sentence vector is near that of one of the phrases, or when it contains the
phrase literally. Each side is centred by the mean of its own language, so that an English phrase finds a
French claim.
"""

from collections.abc import Callable, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.lexical import words
from models.representation import LanguageMeans

__all__ = ["LITERAL_SIMILARITY", "WATCH_SIMILARITY", "Watch", "WatchedPhrase", "best_match", "make_watch"]

WATCH_SIMILARITY = 0.25  # about three standard deviations above unrelated claims of one discussion
LEAST_WORDS = 4  # vectors of shorter texts ("Zzzz", "re") point anywhere: those match only literally
LITERAL_SIMILARITY = 0.95  # a claim that contains the very words matches, whatever its vector


class WatchedPhrase(msgspec.Struct, frozen=True, kw_only=True):
    """One phrase of a watch. vector: (d,) float32 from the embedder that the claims come from."""

    text: str
    language: str
    vector: NDArray[np.float32]


class Watch(msgspec.Struct, frozen=True, kw_only=True):
    """A named set of phrases and the similarity from which a claim counts as a match."""

    name: str
    phrases: Sequence[WatchedPhrase]
    threshold: float = WATCH_SIMILARITY


def _contains(text: Sequence[str], phrase: Sequence[str]) -> bool:
    span = len(phrase)
    return any(text[i : i + span] == phrase for i in range(len(text) - span + 1))


def best_match(
    watch: Watch, means: LanguageMeans, text: str, language: str, vectors: NDArray[np.float32]
) -> float:
    """The highest similarity of a claim to the watch's phrases, in [-1, 1]; -1 without phrases.

    vectors: (n, d), at least one: of the claim, and of its sentences where it has several.
    """
    centred = np.stack([means.centre(language, vector) for vector in vectors])
    tokens = words(text)
    telling = len(tokens) >= LEAST_WORDS
    best = -1.0
    for phrase in watch.phrases:
        similarity = (
            float((centred @ means.centre(phrase.language, phrase.vector)).max()) if telling else -1.0
        )
        wanted = words(phrase.text)
        if wanted and _contains(tokens, wanted):
            similarity = max(similarity, LITERAL_SIMILARITY + 0.05 * max(similarity, 0.0))
        best = max(best, similarity)
    return best


def make_watch(
    name: str,
    phrases: Sequence[str],
    embed: Callable[[Sequence[str]], NDArray[np.float32]],
    language_of: Callable[[str], str],
) -> Watch:
    """A watch whose phrases are embedded. embed: texts to (n, d) rows; language_of: ISO 639-1 of a text."""
    rows = embed(phrases)
    watched = [
        WatchedPhrase(text=phrase, language=language_of(phrase), vector=row)
        for phrase, row in zip(phrases, rows, strict=True)
    ]
    return Watch(name=name, phrases=watched)
