"""Edited comments replace what they said, deleted ones are withdrawn; what was said before still adds up."""

from collections.abc import Sequence

import msgspec
import pytest

from models.engine import Engine
from models.outcome import EventType, Mention
from models.parameters import Parameters
from models.types import Claim
from tests.models.claim_factory import CHATTER, DIMENSIONS, TAKEOVER, claims_of, original, story

PARAMETERS = Parameters(young_claims=4)
FIRST_TAKEOVER = 8  # the number of the comment of the story that speaks of it first


def told(comments: Sequence[Sequence[Claim]], parameters: Parameters = PARAMETERS) -> tuple[Engine, set[str]]:
    """The engine, and the comments whose mentions of its first narrative stand."""
    engine = Engine(DIMENSIONS, parameters)
    return engine, standing(engine.observe(comments).mentions)


def standing(mentions: Sequence[Mention]) -> set[str]:
    last = {(mention.narrative_id, mention.comment_id): mention for mention in mentions}
    return {comment for (_, comment), mention in last.items() if not mention.withdrawn}


def test_a_deleted_comment_is_withdrawn_with_its_words() -> None:
    engine, before = told(story())
    gone = f"c{FIRST_TAKEOVER}"
    assert gone in before
    (view,) = engine.narratives()
    outcome = engine.withdraw("test", gone)
    assert (outcome.deleted, outcome.duplicates) == (1, 0)
    (mention,) = outcome.mentions
    assert (mention.comment_id, mention.withdrawn, mention.text) == (gone, True, "")
    (after,) = engine.narratives()
    assert (after.mentions, after.authors) == (view.mentions - 1, view.authors - 1)
    assert TAKEOVER[0] not in {quote.text for quote in after.quotes}
    assert outcome.changed == {after.narrative_id: after}
    assert [(a.comment_id, a.narrative_id) for a in outcome.assignments] == [(gone, None)]


def test_a_comment_that_is_deleted_twice_is_deleted_once() -> None:
    engine, _ = told(story())
    engine.withdraw("test", "c8")
    assert engine.withdraw("test", "c8").duplicates == 1
    assert engine.withdraw("test", "never-seen").mentions == []


def test_a_deleted_comment_may_come_back() -> None:
    engine, before = told(story())
    engine.withdraw("test", "c8")
    outcome = engine.observe(claims_of([original(8, TAKEOVER[0])]))
    assert standing(outcome.mentions) == {"c8"}
    assert engine.narratives()[0].mentions == len(before)


def test_an_edited_comment_changes_sides() -> None:
    engine, before = told(story())
    outcome = engine.observe(claims_of([original(8, CHATTER[3])]))
    assert outcome.edited == 1
    assert [(m.comment_id, m.withdrawn) for m in outcome.mentions] == [("c8", True)]
    assert engine.narratives()[0].mentions == len(before) - 1
    outcome = engine.observe(claims_of([original(8, TAKEOVER[0])]))
    assert standing(outcome.mentions) == {"c8"}


def test_a_comment_that_came_again_was_not_edited() -> None:
    engine, _ = told(story())
    outcome = engine.observe(story())
    assert (outcome.duplicates, outcome.edited, outcome.mentions) == (len(story()), 0, [])


@pytest.mark.parametrize("edit", [True, False])
def test_a_comment_is_withdrawn_when_its_claims_have_left_the_window(edit: bool) -> None:
    small = msgspec.structs.replace(PARAMETERS, window_claims=12)
    engine, before = told(story(), small)
    tail = claims_of([original(100 + n, f"{CHATTER[n % 12]} {n}") for n in range(30)])
    engine.observe(tail)
    assert "c8" in before
    (view,) = engine.narratives()
    changed = claims_of([original(8, "Nothing of what I wrote here was true.")])
    outcome = engine.observe(changed) if edit else engine.withdraw("test", "c8")
    withdrawn = [mention for mention in outcome.mentions if mention.withdrawn]
    assert [(m.source, m.comment_id, m.thread, m.language) for m in withdrawn] == [
        ("test", "c8", "t", view_language(engine))
    ]
    assert engine.narratives()[0].mentions == view.mentions - 1


def view_language(engine: Engine) -> str:
    (language,) = engine.narratives()[0].languages
    return language


def test_edits_depend_neither_on_batches_nor_on_snapshots() -> None:
    edits = claims_of([original(n, TAKEOVER[n % 6] if n % 2 else CHATTER[n % 12]) for n in range(18)])
    comments = [*story(), *edits, *story(), *edits]
    whole = Engine(DIMENSIONS, PARAMETERS)
    expected = whole.observe(comments)
    engine, mentions = Engine(DIMENSIONS, PARAMETERS), list[Mention]()
    for comment in comments:
        mentions += engine.observe([comment]).mentions
        continued = Engine(DIMENSIONS, PARAMETERS)
        continued.restore(engine.snapshot())
        engine = continued
    assert mentions == expected.mentions
    assert expected.edited > 0
    assert engine.narratives() == whole.narratives()


def test_counts_go_on_when_comments_are_forgotten() -> None:
    brief = msgspec.structs.replace(PARAMETERS, remember_comments_hours=1, window_claims=12)
    engine, before = told(story(), brief)
    (view,) = engine.narratives()
    later = claims_of([original(n, f"{CHATTER[n % 12]} {n}", minutes=600 + n * 30) for n in range(100, 140)])
    outcome = engine.observe(later)
    assert all(event.type is not EventType.EMERGED for event in outcome.events)
    assert engine.narratives()[0].mentions >= view.mentions == len(before)
    assert engine.withdraw("test", "c8").mentions == []


def test_an_earlier_version_that_comes_again_changes_nothing() -> None:
    engine = Engine(DIMENSIONS, PARAMETERS)
    for number, comment in enumerate(story()):
        engine.observe([comment], number)
    (view,) = engine.narratives()
    edit = claims_of([original(8, CHATTER[3])])
    assert engine.observe(edit, 100).edited == 1
    for version, comments in ((8, claims_of([original(8, TAKEOVER[0])])), (100, edit)):
        outcome = engine.observe(comments, version)
        assert (outcome.duplicates, outcome.edited, outcome.mentions) == (1, 0, [])
    assert engine.withdraw("test", "c8", 99).duplicates == 1
    assert engine.withdraw("test", "c8", 101).deleted == 1
    assert engine.observe(edit, 100).duplicates == 1
    assert engine.narratives()[0].mentions == view.mentions - 1
