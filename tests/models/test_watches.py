"""Watches: the very words always match, vectors only where a text says enough."""

import numpy as np

from models.embedding import HashEmbedder
from models.representation import LanguageMeans
from models.watches import LITERAL_SIMILARITY, best_match, make_watch

EMBEDDER = HashEmbedder(64)
WATCH = make_watch("takeover", ["rachat déguisé", "disguised takeover"], EMBEDDER.embed, lambda _: "en")


def similarity(text: str) -> float:
    return best_match(WATCH, LanguageMeans(64), text, "en", EMBEDDER.embed([text])[0])


def test_the_very_words_match_whatever_the_case_and_the_accents() -> None:
    assert similarity("C'est un RACHAT DEGUISE, rien d'autre") >= LITERAL_SIMILARITY
    assert similarity("rachat déguisé") >= LITERAL_SIMILARITY


def test_words_apart_are_not_the_phrase() -> None:
    assert similarity("Le rachat d'un vélo, et puis un chat déguisé en lapin") < LITERAL_SIMILARITY


def test_short_texts_match_only_literally() -> None:
    assert similarity("takeover") == -1.0


def test_a_watch_without_phrases_matches_nothing() -> None:
    empty = make_watch("none", [], lambda texts: np.zeros((len(texts), 64), dtype=np.float32), lambda _: "en")
    assert (
        best_match(empty, LanguageMeans(64), "some longer text here", "en", np.ones(64, dtype=np.float32))
        == -1
    )
