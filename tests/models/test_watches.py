"""Watches: the very words always match, vectors only where a text says enough."""

from collections.abc import Sequence

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from models.background import background_of
from models.embedding import HashEmbedder
from models.engine import Engine
from models.lexical import terms
from models.outcome import WatchMatch
from models.parameters import Parameters
from models.representation import Representation
from models.types import Claim
from models.watches import LITERAL_SIMILARITY, Lookout, Watch, WatchedPhrase, _Flat, make_watch
from tests.models.claim_factory import CHATTER, DIMENSIONS, TAKEOVER, claims_of, original, story

EMBEDDER = HashEmbedder(64)
WATCH = make_watch("takeover", ["rachat déguisé", "disguised takeover"], EMBEDDER.embed, lambda _: "en")


def similarity(text: str) -> float:
    return float(Lookout([WATCH]).similarities(Representation(64), text, "en", EMBEDDER.embed([text]))[0])


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
        lookout.matches(Representation(64), "some longer text here", "en", np.ones((1, 64), np.float32)) == {}
    )


def plain(
    desk: Representation, said: str, claim: NDArray[np.float32], phrase: WatchedPhrase, *, knows: bool
) -> float:
    """The definition, for one phrase."""

    def apart(language: str, vector: NDArray[np.float32]) -> NDArray[np.float64]:
        row = vector - desk.means.mean(language)
        for direction in desk.common:
            row = row - (row @ direction) * direction
        return np.asarray(row / max(float(np.linalg.norm(row)), 1e-9))

    wanted = apart(phrase.language, phrase.vector)
    whole, *sentences = [float(apart("en", one) @ wanted) for one in claim]
    dense = (2 * whole + max([whole, *sentences])) / 3
    if phrase.language != "en":
        return (0.96 if knows else 1.2) * dense
    wanted_terms = terms(phrase.text)
    weights = np.square(wanted_terms.weights * desk.lexical.salience(wanted_terms.slots))
    repeated = np.isin(wanted_terms.slots, terms(said).slots)
    return 0.72 * dense + 0.24 * float(np.sqrt(weights[repeated].sum() / max(weights.sum(), 1e-9)))


def test_many_watches_at_once_are_each_as_if_alone() -> None:
    texts = [*TAKEOVER, *CHATTER]
    desk = Representation(64, background_of(EMBEDDER))
    assert np.allclose(desk.common @ desk.common.T, np.eye(len(desk.common)), atol=1e-5)
    for number, text in enumerate(texts):
        desk.count("fr" if number % 3 else "en", EMBEDDER.embed([text])[0], terms(text))
    watches = [
        make_watch(
            f"w{n}", [*texts[n : n + 3], "??"], EMBEDDER.embed, lambda text: "fr" if len(text) % 2 else "en"
        )
        for n in range(5)
    ]
    watches.append(make_watch("foreign", texts[:2], EMBEDDER.embed, lambda _: "fr"))
    said = "They speak of a partnership, and mean a takeover."
    claim = EMBEDDER.embed([said, "They mean it."])
    lookout = Lookout(watches)
    lookout.similarities(Representation(64), said, "en", claim)  # another desk before leaves no trace
    found = lookout.similarities(desk, said, "en", claim, -0.01)
    for watch, similarity in zip(watches, found, strict=True):
        knows = any(phrase.language == "en" for phrase in watch.phrases)
        cosines = [plain(desk, said, claim, phrase, knows=knows) for phrase in watch.phrases]
        assert similarity == pytest.approx(max(cosines) - 0.01, abs=1e-4)


def test_what_a_claim_says_besides_takes_nothing_from_the_terms_it_repeats() -> None:
    flat, lexical = _Flat([terms("a disguised takeover of Brimmond"), terms("")]), Representation(64).lexical
    for text in (*TAKEOVER, *CHATTER):
        lexical.count(terms(text))
    alone = flat.repeated(lexical, terms("disguised takeover"))
    long = flat.repeated(lexical, terms(" ".join(["Whatever they say, a disguised takeover.", *CHATTER])))
    nothing = flat.repeated(lexical, terms("0123 4567"))
    assert 0.3 < alone[0] <= long[0] < 1.0
    assert nothing[0] == alone[1] == 0.0
    assert flat.repeated(lexical, terms("A disguised takeover of Brimmond!"))[0] == pytest.approx(1.0)


def test_no_similarity_is_beyond_one() -> None:
    """Between languages the vectors count more than their cosine."""
    foreign = make_watch("w", ["un rachat"], lambda _: EMBEDDER.embed(["They want it all."]), lambda _: "fr")
    said = "They want it all."
    found = Lookout([foreign]).similarities(Representation(64), said, "en", EMBEDDER.embed([said]))
    assert found.tolist() == [1.0]


def test_two_watches_of_one_name_are_one() -> None:
    lookout = Lookout([WATCH, msgspec.structs.replace(WATCH, threshold=0.99)])
    text = "Rachat déguisé, ni plus ni moins"
    matches = lookout.matches(Representation(64), text, "en", EMBEDDER.embed([text]))
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
