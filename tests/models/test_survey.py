"""A look back: matches, near misses, edits and deletions."""

import pytest

from models import survey as survey_module
from models.background import background_of
from models.embedding import HashEmbedder
from models.errors import ModelError
from models.survey import Survey
from models.watches import make_watch
from tests.models.claim_factory import CHATTER, DIMENSIONS, TAKEOVER, claims_of, original

EMBEDDER = HashEmbedder(DIMENSIONS)


def survey(threshold: float | None = None) -> Survey:
    watch = make_watch("w", ["disguised takeover"], EMBEDDER.embed, lambda _: "en", threshold=threshold)
    return Survey(watch, DIMENSIONS, background_of(EMBEDDER))


def seen(*texts: str, threshold: float | None = None) -> Survey:
    made = survey(threshold)
    for claims in claims_of([original(n, text) for n, text in enumerate(texts)]):
        made.see("d", claims)
    return made


def test_matches_come_in_stream_order_and_near_misses_by_nearness() -> None:
    made = seen(CHATTER[0], TAKEOVER[1], CHATTER[1], TAKEOVER[0], threshold=0.9)
    assert [one.comment_id for one in made.matches()] == ["c1"]
    near = made.near_misses(2)
    assert near[0].comment_id == "c3"
    assert near[0].similarity >= near[1].similarity
    assert made.claims == 3  # a question claims nothing


def test_an_edit_replaces_and_a_deletion_withdraws() -> None:
    made = seen(TAKEOVER[1], threshold=0.9)
    (edited,) = claims_of([original(0, CHATTER[0])])
    made.see("d", edited)
    assert made.matches() == []
    (again,) = claims_of([original(0, TAKEOVER[1])])
    made.see("d", again)
    assert len(made.matches()) == 1
    assert made.near_misses(5) == []
    made.withdraw("d", "test", "c0")
    made.withdraw("d", "test", "never-seen")
    assert made.matches() == []


def test_a_watch_that_matches_everything_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(survey_module, "MOST_MATCHES", 3)
    with pytest.raises(ModelError, match="too broad"):
        seen(*CHATTER[:5], threshold=-1.0)


def test_near_misses_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(survey_module, "_NEAR_KEPT", 2)
    made = seen(*CHATTER, TAKEOVER[0], threshold=1.0)
    assert len(made.near_misses(100)) <= 4
    assert made.near_misses(1)[0].text == TAKEOVER[0]
