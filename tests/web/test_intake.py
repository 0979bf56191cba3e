"""What comes in, in whatever order, and what is left of it."""

import itertools
from datetime import timedelta

import pytest

from streams.results import MentionRecord, MergedNarrative
from streams.web.intake import Bounds, owner_of, take_event, take_mention, take_narrative, trim
from streams.web.store import Store
from tests.web.records import HOUR, NOW, event, fill, mention, mentions, narrative


def standing(store: Store) -> set[tuple[str, str]]:
    """Narrative and comment of all mentions that stand."""
    with store.reading() as connection:
        rows = connection.execute("SELECT narrative_id, comment_id FROM mentions WHERE NOT withdrawn")
        return {(row[0], row[1]) for row in rows}


def count(store: Store, table: str) -> int:
    with store.reading() as connection:
        return int(connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0])  # noqa: S608 - by a test


def merged(old: str, into: str) -> MergedNarrative:
    return MergedNarrative(desk="tech", narrative_id=old, into=into)


def withdrawn(comment_id: str, narrative_id: str) -> MentionRecord:
    return mention(comment_id, narrative_id, withdrawn=True, text="")


def test_the_last_word_holds(store: Store) -> None:
    fill(
        store,
        [narrative()],
        [mention("c1"), mention("c2"), mention("c1", text="edited"), withdrawn("c2", "n1")],
    )
    assert standing(store) == {("n1", "c1")}
    with store.reading() as connection:
        assert (
            connection.execute("SELECT text FROM mentions WHERE comment_id = 'c1'").fetchone()[0] == "edited"
        )


def test_a_record_that_comes_again_after_a_crash_changes_nothing(store: Store) -> None:
    for _ in range(2):
        fill(store, [narrative()], [mention("c1"), withdrawn("c1", "n1"), mention("c2")], [event()])
    assert standing(store) == {("n1", "c2")}
    assert count(store, "events") == count(store, "narratives") == 1


def test_what_is_found_follows_what_is_said(store: Store) -> None:
    fill(store, [narrative()], [mention("c1", text="originally about giraffes")])
    fill(store, [], [mention("c1", text="now about elephants"), mention("c2", text="zebras")])
    fill(store, [], [mention("c1", text="now about elephants"), withdrawn("c2", "n1")])
    with store.reading() as connection:

        def found(word: str) -> int:
            query = "SELECT count(*) FROM mention_words WHERE mention_words MATCH ?"
            return int(connection.execute(query, (word,)).fetchone()[0])

        assert [found("giraffes"), found("elephants"), found("zebras")] == [0, 1, 0]


# n2 merged into n1. A comment stands in n1 (place 0), was withdrawn from n2 (1), and one was told again (2).
_STEPS = ("told", "withdrawn", "again", "merge")


@pytest.mark.parametrize("order", list(itertools.permutations(_STEPS)), ids=" ".join)
def test_topics_are_read_in_any_order_and_merges_come_out_the_same(
    store: Store, order: tuple[str, ...]
) -> None:
    with store.writing() as connection:
        take_narrative(connection, narrative("n1"))
        take_narrative(connection, narrative("n2"))
        for step in order:
            if step == "told":
                take_mention(connection, mention("c1", "n1"), 0)
                take_mention(connection, mention("c2", "n1"), 0)
            elif step == "withdrawn":
                take_mention(connection, withdrawn("c1", "n2"), 1)
                take_mention(connection, withdrawn("c2", "n2"), 1)
            elif step == "again":
                take_mention(connection, mention("c1", "n1"), 2)
            else:
                take_narrative(connection, merged("n2", "n1"))
    assert standing(store) == {("n1", "c1")}


def test_chains_of_merges_lead_to_the_one_that_lives_on(store: Store) -> None:
    fill(
        store,
        [narrative("n1"), narrative("n2"), narrative("n3")],
        [mention("c1", "n1"), mention("c2", "n2"), mention("c3", "n3")],
        [event("emerged", "n3"), event("merged", "n3", into="n2")],
    )
    with store.writing() as connection:
        take_narrative(connection, merged("n3", "n2"))
        take_narrative(connection, merged("n2", "n1"))
        take_narrative(connection, narrative("n3"))  # told again by a worker that crashed
        take_mention(connection, mention("c4", "n3"), 9)
        take_event(connection, event("spiking", "n3"))
        owners = [row[0] for row in connection.execute("SELECT DISTINCT owner FROM events")]
        assert (owner_of(connection, "n3"), owners) == ("n1", ["n1"])
    assert standing(store) == {("n1", f"c{n}") for n in (1, 2, 3, 4)}
    assert count(store, "narratives") == 1


def test_aliases_of_a_view_are_merges(store: Store) -> None:
    fill(store, [narrative("n2")], [mention("c2", "n2")])
    fill(store, [narrative("n1", aliases=["n2"])])
    assert standing(store) == {("n1", "c2")}


def test_a_circle_of_merges_ends(store: Store) -> None:
    with store.writing() as connection:
        take_narrative(connection, merged("n1", "n2"))
        take_narrative(connection, merged("n2", "n1"))
        take_narrative(connection, merged("n3", "n3"))
        assert owner_of(connection, "n1") == owner_of(connection, "n2") == "n2"


def test_what_is_old_or_too_much_is_let_go(store: Store) -> None:
    old = NOW - timedelta(days=40)
    fill(
        store,
        [narrative("n1"), narrative("n2", last_seen=old), narrative("n3", aliases=["n4"], last_seen=old)],
        [*mentions(20), mention("old", at=old)],
        [event(), event("faded", "n2", at=old)],
    )
    with store.writing() as connection:
        trim(connection, Bounds(days=30, mentions=12))
    assert count(store, "mentions") <= 12
    assert ("n1", "n1-0") in standing(store)  # the newest stays
    assert ("n1", "old") not in standing(store)
    assert [count(store, table) for table in ("narratives", "events", "aliases", "narrative_words")] == [
        1,
        1,
        0,
        1,
    ]
    with store.writing() as connection:
        trim(connection, Bounds(days=30, mentions=12, narratives=0))
    assert count(store, "narratives") == count(store, "facets") == 0


def test_a_failed_transaction_leaves_nothing(store: Store) -> None:
    version = store.version

    def fail() -> None:
        with store.writing() as connection:
            take_mention(connection, mention(), 0)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert (standing(store), store.version) == (set(), version)


def test_readers_see_one_moment(store: Store) -> None:
    fill(store, [narrative()], [mention("c1")])
    with store.reading() as connection:
        before = connection.execute("SELECT count(*) FROM mentions").fetchone()[0]
        fill(store, [], [mention("c2", at=NOW + HOUR)])
        assert connection.execute("SELECT count(*) FROM mentions").fetchone()[0] == before == 1
    assert count(store, "mentions") == 2
