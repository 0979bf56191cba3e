"""The memory of comments: bounded, exact while it lasts, and the same after it was written and read."""

from hypothesis import given
from hypothesis import strategies as st

from models.seen import DELETED, SeenChunk, SeenComments

HOUR_MS = 3_600_000


def test_the_last_that_was_said_is_known() -> None:
    seen = SeenComments(10_000)
    assert seen.digest(1) is None
    seen.put(1, 77, 0)
    seen.put(1, 2**32 - 1, 5)
    seen.put(2, DELETED, 6)
    assert (seen.digest(1), seen.digest(2), len(seen)) == (2**32 - 1, DELETED, 2)


def test_what_is_old_is_forgotten_and_what_was_seen_again_is_not() -> None:
    seen = SeenComments(1_000_000)
    for key in range(10):
        seen.put(key, 1, 0)
    seen.put(3, 1, 7 * HOUR_MS)
    assert seen.forget(HOUR_MS) == set(range(10)) - {3}
    assert seen.digest(3) == 1
    assert seen.digest(4) is None


def test_there_are_never_many_more_than_allowed() -> None:
    seen = SeenComments(20_000)
    for key in range(100_000):
        seen.put(key, 1, key)
        if key % 5_000 == 0:
            seen.forget(0)
    seen.forget(0)
    assert 12_000 < len(seen) <= 20_000
    assert seen.digest(99_999) == 1


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 3), st.integers(0, 4)), max_size=60))
def test_changes_add_up_to_the_whole(puts: list[tuple[int, int, int]]) -> None:
    seen, pieces, now = SeenComments(10_000), dict[int, SeenChunk](), 0
    for place, (key, digest, hours) in enumerate(puts):
        now += hours * HOUR_MS
        seen.put(key, digest, now, place)
        if place % 5 == 4:
            seen.forget(now - 20 * HOUR_MS)
            changed, gone = seen.changes()
            pieces |= {chunk.number: chunk for chunk in changed}
            pieces = {number: chunk for number, chunk in pieces.items() if number not in gone}
    changed, gone = seen.changes()
    pieces |= {chunk.number: chunk for chunk in changed}
    again = SeenComments(10_000)
    again.load(chunk for number, chunk in pieces.items() if number not in gone)
    assert [again.digest(key) for key in range(51)] == [seen.digest(key) for key in range(51)]
    assert [again.version(key) for key in range(51)] == [seen.version(key) for key in range(51)]
    last = {key: place for place, (key, _, _) in enumerate(puts)}
    assert all(seen.version(key) in (last.get(key), -1) for key in range(51))
    assert seen.changes() == ([], [])
