"""Watches: the very words always match, vectors only where a text says enough."""

from collections.abc import Sequence

import msgspec
import numpy as np
import pytest

from models.embedding import HashEmbedder
from models.engine import Engine
from models.outcome import WatchMatch
from models.parameters import Parameters
from models.representation import LanguageMeans
from models.types import Claim
from models.watches import LITERAL_SIMILARITY, Lookout, Watch, make_watch
from tests.models.claim_factory import CHATTER, DIMENSIONS, TAKEOVER, claims_of, original, story

EMBEDDER = HashEmbedder(64)
WATCH = make_watch("takeover", ["rachat déguisé", "disguised takeover"], EMBEDDER.embed, lambda _: "en")


def similarity(text: str) -> float:
    return float(Lookout([WATCH]).similarities(LanguageMeans(64), text, "en", EMBEDDER.embed([text]))[0])


def test_the_very_words_match_whatever_the_case_and_the_accents() -> None:
    assert similarity("C'est un RACHAT DEGUISE, rien d'autre") >= LITERAL_SIMILARITY
    assert similarity("rachat déguisé") >= LITERAL_SIMILARITY


def test_words_apart_are_not_the_phrase() -> None:
    assert similarity("Le rachat d'un vélo, et puis un chat déguisé en lapin") < LITERAL_SIMILARITY


def test_short_texts_match_only_literally() -> None:
    assert similarity("takeover") == -1.0


def test_a_watch_without_phrases_matches_nothing() -> None:
    empty = make_watch("none", [], lambda texts: np.zeros((len(texts), 64), dtype=np.float32), lambda _: "en")
    lookout = Lookout([empty])
    assert (
        lookout.matches(LanguageMeans(64), "some longer text here", "en", np.ones((1, 64), np.float32)) == {}
    )


def test_many_watches_at_once_are_each_as_if_alone() -> None:
    """Against the plain definition: the cosine of both sides, each less the mean of its language."""
    texts = [*TAKEOVER, *CHATTER]
    means = LanguageMeans(64)
    for number, text in enumerate(texts):
        means.add("fr" if number % 3 else "en", EMBEDDER.embed([text])[0])
    watches = [
        make_watch(f"w{n}", texts[n : n + 3], EMBEDDER.embed, lambda text: "fr" if len(text) % 2 else "en")
        for n in range(5)
    ]
    claim = EMBEDDER.embed(["They speak of a partnership, and mean a takeover.", "They mean it."])
    found = Lookout(watches).similarities(means, "They speak of something else here", "en", claim)
    for watch, similarity in zip(watches, found, strict=True):
        cosines = [
            float(means.centre("en", row) @ means.centre(phrase.language, phrase.vector))
            for row in claim
            for phrase in watch.phrases
        ]
        assert similarity == pytest.approx(max(cosines), abs=1e-5)


def test_two_watches_of_one_name_are_one() -> None:
    lookout = Lookout([WATCH, msgspec.structs.replace(WATCH, threshold=0.99)])
    text = "Rachat déguisé, ni plus ni moins"
    matches = lookout.matches(LanguageMeans(64), text, "en", EMBEDDER.embed([text]))
    assert list(matches) == ["takeover"]
    assert matches["takeover"] >= LITERAL_SIMILARITY


def watching(watches: Sequence[Watch] = (WATCH,)) -> Engine:
    return Engine(DIMENSIONS, Parameters(young_claims=4), watches=watches)


def test_a_match_is_told_once_and_again_when_its_claim_finds_its_narrative() -> None:
    engine = watching([make_watch("takeover", ["disguised takeover"], EMBEDDER.embed, lambda _: "en")])
    outcome = engine.observe(story())
    (narrative,) = engine.narratives()
    told = [(match.comment_id, match.n) for match in outcome.matches]
    assert len(told) == len(set(told)) >= 3
    assert outcome.matches == [match for match in outcome.match_news if not match.retroactive]
    last = {match.comment_id: match.narrative_id for match in outcome.match_news}
    where = {one.comment_id: one.narrative_id for one in outcome.assignments}
    assert last == {comment: where[comment] for comment in last}
    assert narrative.narrative_id in last.values()
    assert outcome.matches[0].narrative_id is None  # nobody knew it yet
    first = outcome.matches[0]
    assert (first.thread, first.author) == ("t", f"author-{first.comment_id[1:]}")


def test_watches_change_nothing_but_matches() -> None:
    engine, other = watching(), watching(())
    first, second = engine.observe(story()), other.observe(story())
    assert first.assignments == second.assignments
    assert first.events == second.events
    assert first.matches
    assert not second.match_news


def test_a_watch_applies_to_what_comes_after_it() -> None:
    comments = story(2)
    engine = watching(())
    engine.observe(comments[:14])
    engine.watches = [WATCH]
    outcome = engine.observe(comments[14:])
    assert {match.comment_id for match in outcome.match_news} <= {f"c{n}" for n in range(14, len(comments))}
    assert outcome.matches
    engine.watches = []
    assert engine.observe(claims_of([original(90, "A disguised takeover, again.")])).matches == []


def test_matches_survive_a_restart() -> None:
    """What becomes of a match later is told by whoever has the state, whatever it watches now."""
    comments = story()
    engine = watching()
    engine.observe(comments[:10])
    heir = watching(())
    heir.restore(engine.snapshot())
    assert heir.observe(comments[10:]).match_news == [
        match for match in engine_without_new(engine, comments[10:]) if match.retroactive
    ]


def engine_without_new(engine: Engine, comments: Sequence[Sequence[Claim]]) -> list[WatchMatch]:
    engine.watches = []
    return engine.observe(comments).match_news


def test_a_deleted_comment_takes_its_matches_along() -> None:
    engine = watching()
    gone = engine.observe(story()).matches[0].comment_id
    (news,) = engine.withdraw("test", gone).match_news
    assert news.withdrawn
    assert (news.watch, news.comment_id, news.n, news.text) == ("takeover", gone, -1, "")
    assert engine.withdraw("test", "never-seen").match_news == []


def test_an_edited_comment_matches_by_what_it_says_now() -> None:
    engine = watching()
    engine.observe(story())
    news = engine.observe(claims_of([original(8, "A disguised takeover, and I said so before.")])).match_news
    assert [match.withdrawn for match in news[:1]] == [True]
    assert news[-1].text.startswith("A disguised takeover, and")


def test_what_left_the_window_may_have_matched_anything() -> None:
    engine = Engine(DIMENSIONS, Parameters(young_claims=4, window_claims=4), watches=[WATCH])
    engine.observe(story())
    (news,) = engine.withdraw("test", "c8").match_news
    assert (news.watch, news.withdrawn) == ("takeover", True)
