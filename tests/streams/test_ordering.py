"""The merge of partitions: order, nothing lost, nothing doubled, a bounded wait."""

from collections.abc import Iterable
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.ordering import PartitionMerge

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
START_MS = 1_788_000_000_000


class Item(NamedTuple):
    serial: int
    partition: int
    event_ms: int | None


def merge_of(partitions: int, *, lateness: float = 120.0, most: int = 20_000) -> PartitionMerge[Item]:
    return PartitionMerge(range(partitions), lateness_seconds=lateness, max_waiting=most)


def push(
    merge: PartitionMerge[Item], item: Item, now_ms: int, *, delay_ms: int = 100, more: bool = False
) -> list[Item]:
    return merge.push(
        item,
        partition=item.partition,
        created_at_ms=item.event_ms,
        author=f"author {item.serial}",
        sent_ms=now_ms - delay_ms,
        more_to_come=more,
        now_ms=now_ms,
    )


def items_of(event_minutes: Iterable[tuple[int, int | None]]) -> list[Item]:
    return [
        Item(serial, partition, None if minute is None else START_MS - DAY_MS + minute * 60_000)
        for serial, (partition, minute) in enumerate(event_minutes)
    ]


def test_one_partition_passes_straight_through_whatever_its_dates() -> None:
    merge = merge_of(1)
    for item in items_of((0, minute) for minute in (5, 3, 900, None, 4, 1)):
        assert push(merge, item, START_MS + item.serial) == [item]
    assert len(merge) == 0


def test_two_partitions_come_out_in_the_order_of_event_time() -> None:
    merge = merge_of(2)
    items = items_of([(0, 1), (0, 3), (0, 5), (1, 2), (1, 4), (1, 6)])
    released = [out for item in items for out in push(merge, item, START_MS + item.serial)]
    released += merge.advance(START_MS + 25_000)
    assert [item.event_ms for item in released] == sorted(item.event_ms or 0 for item in items)


def test_a_partition_that_has_not_spoken_yet_is_waited_for() -> None:
    merge = merge_of(2)
    first, second = items_of([(0, 9), (1, 1)])
    assert push(merge, first, START_MS) == []
    assert push(merge, second, START_MS + 500) == [second]
    assert merge.advance(START_MS + 20_499) == []
    assert merge.advance(START_MS + 20_500) == [first]


def test_one_that_never_speaks_is_waited_for_twenty_seconds() -> None:
    merge = merge_of(2)
    (only,) = items_of([(0, 9)])
    assert push(merge, only, START_MS) == []
    assert merge.advance(START_MS + 19_999) == []
    assert merge.advance(START_MS + 20_000) == [only]


def test_one_that_is_known_to_be_empty_is_not_waited_for() -> None:
    merge = merge_of(3)
    first, second, third = items_of([(0, 5), (1, 9), (2, 1)])
    assert push(merge, first, START_MS) == []
    merge.drained([1], merge.next_serial)
    assert merge.advance(START_MS + 10) == []
    merge.drained([2], merge.next_serial)
    assert push(merge, second, START_MS + 20) == [first]
    assert merge.advance(START_MS + 1_000) == [], "nothing is known of what came since"
    merge.drained([0, 2], merge.next_serial)
    assert merge.advance(START_MS + 1_000) == [second]
    assert push(merge, third, START_MS + 2_000) == [third], "too late to be in order, and not lost"


def test_what_is_known_of_a_partition_that_does_not_exist_changes_nothing() -> None:
    merge = merge_of(2)
    (only,) = items_of([(0, 9)])
    push(merge, only, START_MS)
    merge.drained([7], 1_000)
    assert merge.advance(START_MS + 19_999) == []


def test_one_that_changes_hands_is_given_its_time_again() -> None:
    merge = merge_of(2)
    first, second, third = items_of([(0, 1), (1, 9), (0, 5)])
    assert push(merge, first, START_MS) == []
    assert push(merge, second, START_MS) == [first]
    merge.wait_anew(START_MS + 15_000)
    assert merge.advance(START_MS + 34_999) == []
    assert push(merge, third, START_MS + 34_999) == [third]
    assert merge.advance(START_MS + 54_999) == [second]


def test_time_does_not_pass_because_a_partition_changes_hands() -> None:
    merge = merge_of(2, lateness=60.0)
    (only,) = items_of([(0, 9)])
    assert push(merge, only, START_MS) == []
    merge.wait_anew(START_MS + HOUR_MS)
    assert merge.advance(START_MS + 59_999) == []
    assert merge.advance(START_MS + 60_000) == [only]


def test_one_that_is_known_to_hold_more_is_waited_for_half_a_minute() -> None:
    merge = merge_of(2)
    early, late = items_of([(0, 9), (1, 1)])
    push(merge, early, START_MS)
    assert push(merge, late, START_MS, more=True) == [late]
    assert merge.advance(START_MS + 29_999) == []
    assert merge.advance(START_MS + 30_000) == [early]


def test_the_more_a_reader_is_behind_the_longer_it_is_waited_for() -> None:
    merge = merge_of(2, lateness=60)
    early, late = items_of([(0, 9), (1, 1)])
    push(merge, early, START_MS, delay_ms=15_000)
    push(merge, late, START_MS + 1, delay_ms=15_000)
    assert merge.advance(START_MS + 29_000) == []
    assert merge.advance(START_MS + 31_000) == [early]


def test_nothing_waits_longer_than_the_lateness() -> None:
    merge = merge_of(2, lateness=5)
    waiting, *slow = items_of([(0, 900), *((1, minute) for minute in range(20))])
    push(merge, waiting, START_MS)
    released_at = None
    for second, item in enumerate(slow):
        if waiting in push(merge, item, START_MS + second * 1_000):
            released_at = second
            break
    assert released_at == 5


def test_without_lateness_arrival_is_the_order() -> None:
    merge = merge_of(3, lateness=0)
    for item in items_of([(0, 9), (1, 1), (2, 5), (1, 2)]):
        assert push(merge, item, START_MS) == [item]


def test_the_buffer_has_a_bound_and_the_earliest_go_first() -> None:
    merge = merge_of(2, most=3)
    items = items_of((0, minute) for minute in range(10))
    released = [out for item in items for out in push(merge, item, START_MS)]
    assert released == items[:7]
    assert len(merge) == 3


def test_a_quiet_night_is_bridged_without_disorder() -> None:
    merge = merge_of(2)
    evening = items_of([(0, 1), (1, 2)])
    morning = [Item(10 + n, n % 2, START_MS - HOUR_MS + n * 60_000) for n in range(12)]
    released: list[Item] = []
    for item in [*evening, *morning[0::2], *morning[1::2]]:
        released += push(merge, item, START_MS + len(released))
    assert released + merge.advance(START_MS + 25_000) == [*evening, *morning]


def test_a_single_comment_after_a_quiet_night_waits_twenty_seconds() -> None:
    merge = merge_of(2)
    evening = items_of([(0, 1), (1, 2)])
    first = Item(10, 0, START_MS)
    for item in evening:
        push(merge, item, START_MS)
    assert push(merge, first, START_MS + HOUR_MS) == [evening[1]]
    assert merge.advance(START_MS + HOUR_MS + 20_100) == [first]


def test_a_forged_date_does_not_hold_its_partition_up() -> None:
    merge = merge_of(2)
    honest = items_of([(0, 1), (1, 2), (0, 3), (1, 4), (0, 5), (1, 6)])
    forged = Item(99, 0, START_MS + DAY_MS)
    released = push(merge, honest[0], START_MS) + push(merge, forged, START_MS, delay_ms=0)
    for item in honest[1:]:
        released += push(merge, item, START_MS + item.serial)
    assert released == [honest[0], forged, *honest[1:5]]


Step = tuple[int, int | None, int, bool]  # partition, event minute, ms since the last step, more to come


steps_strategy = st.lists(
    st.tuples(
        st.integers(0, 3),
        st.none() | st.integers(0, 3_000),
        st.sampled_from((0, 1, 300, 2_500, 30_000)),
        st.booleans(),
    ),
    max_size=60,
)


def run(steps: list[Step], *, ticks: int, lateness: float = 120.0, most: int = 20_000) -> list[Item]:
    """Push all; `ticks` looks at the clock between two pushes."""
    merge = merge_of(4, lateness=lateness, most=most)
    now = START_MS
    released = []
    items = items_of((partition, minute) for partition, minute, *_ in steps)
    for item, (_, _, pause, more) in zip(items, steps, strict=True):
        for tick in range(1, ticks + 1):
            released += merge.advance(now + pause * tick // (ticks + 1))
        now += pause
        released += push(merge, item, now, more=more)
        assert len(merge) <= most
    return released + merge.advance(now + 121_000)


@given(steps_strategy, st.sampled_from((0.0, 1.0, 120.0)), st.sampled_from((1, 5, 20_000)))
def test_nothing_is_lost_nothing_doubled_and_partitions_keep_their_order(
    steps: list[Step], lateness: float, most: int
) -> None:
    released = run(steps, ticks=0, lateness=lateness, most=most)
    assert sorted(item.serial for item in released) == list(range(len(steps)))
    for partition in range(4):
        own = [item.serial for item in released if item.partition == partition]
        assert own == sorted(own)


@given(steps_strategy, st.integers(1, 4))
def test_looking_at_the_clock_in_between_changes_nothing(steps: list[Step], ticks: int) -> None:
    assert run(steps, ticks=ticks) == run(steps, ticks=0)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 300)), max_size=60))
def test_partitions_that_keep_talking_are_merged_as_sorted_lists(pairs: list[tuple[int, int]]) -> None:
    pairs = sorted(pairs, key=lambda pair: (pair[0], pair[1]))  # one partition after the other, each sorted
    merge = merge_of(4)
    released = [out for item in items_of(pairs) for out in push(merge, item, START_MS)]
    released += merge.advance(START_MS + 35_000)
    expected = sorted(items_of(pairs), key=lambda item: (item.event_ms, item.partition, item.serial))
    assert released == expected


@pytest.mark.parametrize("clock_step", [-5_000, -1])
def test_a_clock_that_runs_backwards_is_not_followed(clock_step: int) -> None:
    merge = merge_of(2)
    first, second = items_of([(0, 9), (1, 1)])
    push(merge, first, START_MS)
    push(merge, second, START_MS + clock_step)
    assert merge.advance(START_MS + 10_000) == []
    assert merge.advance(START_MS + 20_100) == [first]
