"""Puts records of several partitions back into the order of event time, with a bounded wait.

Comments are embedded by several workers, so what one person wrote after another may arrive before it. The
merge keeps the order inside a partition as it is and interleaves partitions by event time, like the merge of
sorted lists: a record is released when every partition that is still talking has come as far as that record.

Time is passed in and should be that of the records (when the claims were written to their topic), plus a
clock for when nothing comes. Then the order depends on the records alone: a worker that reads the topic again
releases the same, as long as nothing comes later than was waited for. That a partition is known to be empty
(`drained`) lets records go sooner, in the same order.
"""

import heapq
from collections import deque
from collections.abc import Iterable, Mapping
from typing import Generic, NamedTuple, TypeVar

import msgspec

from streams.partition_clock import PartitionClock, Timed, Undecided

__all__ = ["IDLE_SECONDS", "MAX_WAITING_RECORDS", "MergeState", "PartitionMerge"]

# Silence after which nobody waits for a partition that is up to date. It may have nothing to say, or its
# worker was killed: that is noticed after ten seconds, and another one has to take over.
IDLE_SECONDS = 20.0
# A partition that is known to hold more is waited for longer: its worker may be slow, or replaced just now.
# Not for ever, as what it holds may be rejected, or of another desk and not ours to see.
BUSY_SECONDS = 30.0
# One that has not been heard of at all may belong to a worker that is still loading its model.
START_SECONDS = 20.0
# A worker that is behind pauses for as long as a batch takes, and it is behind by at least that much: the
# patience with a partition grows with how old its comments are when they come.
_PATIENCE_PER_DELAY = 2.0
MAX_WAITING_RECORDS = 20_000  # about 100 MB of claims; beyond, the earliest go without waiting

T = TypeVar("T")


class _Arrived(NamedTuple, Generic[T]):
    serial: int  # in the order of arrival
    partition: int
    item: T


class _Waiting(NamedTuple, Generic[T]):
    event_ms: float
    partition: int
    serial: int  # unique, so that `item` is never compared
    item: T


class _Partition(Generic[T]):
    """What is known of one partition. Times are epoch ms."""

    def __init__(self, heard_ms: int, patience_ms: float) -> None:
        self.clock: PartitionClock[_Arrived[T]] = PartitionClock()
        self.heard_ms = heard_ms
        self.patience_ms = patience_ms
        self.drained_to = 0  # records with a serial below need not wait for it


class MergeState(msgspec.Struct, frozen=True, kw_only=True):
    """A merge without its records, which are named by their serials. Times are epoch ms."""

    # number, heard, patience, its clock's time, and the undecided: serial, date, author
    partitions: list[tuple[int, int, float, float | None, list[tuple[int, int | None, str]]]]
    waiting: list[tuple[float, int, int]]  # event time, partition, serial
    arrivals: list[tuple[int, int]]
    next_serial: int
    now_ms: int | None


class PartitionMerge(Generic[T]):
    """The merge of the partitions of one topic. Deterministic; holds at most `max_waiting` records.

    partitions: all that may deliver; none of them is given up before it had a chance to.
    lateness_seconds: the longest that a record waits, in the time that is passed in.
    """

    def __init__(
        self,
        partitions: Iterable[int],
        *,
        lateness_seconds: float,
        max_waiting: int = MAX_WAITING_RECORDS,
        idle_seconds: float = IDLE_SECONDS,
    ) -> None:
        self._expected = list(partitions)
        self._lateness_ms = lateness_seconds * 1000
        self._max_waiting = max_waiting
        self._idle_ms = idle_seconds * 1000
        self._partitions: dict[int, _Partition[T]] = {}
        self._heap: list[_Waiting[T]] = []
        self._arrivals: deque[tuple[int, int]] = deque()  # (serial, arrival ms), the oldest first
        self._waiting: set[int] = set()  # serials, in the heap or undecided
        self._serial = 0
        self._now_ms: int | None = None

    def __len__(self) -> int:
        """Records that wait."""
        return len(self._waiting)

    def push(
        self,
        item: T,
        *,
        partition: int,
        created_at_ms: int | None,
        author: str,
        sent_ms: int,
        more_to_come: bool,
        now_ms: int,
    ) -> list[T]:
        """Add a record; returns what is released, in order.

        created_at_ms: event time, None if unknown; author: whose date it is (see `PartitionClock`).
        sent_ms: when the record entered the first partition, which tells how far behind its reader is;
        more_to_come: whether there was more in that partition then.
        """
        released = self.advance(now_ms)
        now = self._now(now_ms)
        if not self._partitions:
            start_ms = min(START_SECONDS * 1000, self._lateness_ms)
            self._partitions = {number: _Partition(now, start_ms) for number in self._expected}
        place = self._partitions.setdefault(partition, _Partition(now, 0.0))
        place.heard_ms = now
        place.patience_ms = self._patience_ms(now_ms - sent_ms, more_to_come=more_to_come)
        self._arrivals.append((self._serial, now))
        self._waiting.add(self._serial)
        self._enter(place.clock.advance(created_at_ms, author, _Arrived(self._serial, partition, item)))
        self._serial += 1
        return released + self._release(now)

    def advance(self, now_ms: int) -> list[T]:
        """What is released because time has passed. Releasing in small steps or at once is the same."""
        return self._release(self._now(now_ms))

    @property
    def next_serial(self) -> int:
        """Of the next record that is added."""
        return self._serial

    def drained(self, partitions: Iterable[int], before: int) -> None:
        """These partitions hold nothing that is older than the records with a serial below `before`."""
        for number in partitions:
            place = self._partitions.get(number)
            if place is not None:
                place.drained_to = max(place.drained_to, before)

    def wait_anew(self, now_ms: int) -> None:
        """Partitions have changed hands: each is waited for as if it had been heard of just now.

        The silence of one whose worker was killed is no sign that it has nothing to say. Records that are
        read long after they were written set the time; this does not.
        """
        for place in self._partitions.values():
            place.heard_ms = max(place.heard_ms, now_ms)

    def held(self) -> dict[int, T]:
        """The records that wait, by serial."""
        undecided = [one.item for place in self._partitions.values() for one in place.clock.undecided]
        return {one.serial: one.item for one in self._heap} | {one.serial: one.item for one in undecided}

    def state(self) -> MergeState:
        """Everything but the records, to be given to `load` together with what `held` returns."""
        return MergeState(
            partitions=[
                (
                    number,
                    place.heard_ms,
                    place.patience_ms,
                    place.clock.now_ms,
                    [(one.item.serial, one.created_at_ms, one.author) for one in place.clock.undecided],
                )
                for number, place in self._partitions.items()
            ],
            waiting=[(one.event_ms, one.partition, one.serial) for one in self._heap],
            arrivals=list(self._arrivals),
            next_serial=self._serial,
            now_ms=self._now_ms,
        )

    def load(self, state: MergeState, held: Mapping[int, T]) -> None:
        """Go on from a state; records that are not held any more are left out."""
        self._partitions = {}
        for number, heard_ms, patience_ms, now_ms, undecided in state.partitions:
            place = self._partitions[number] = _Partition(heard_ms, patience_ms)
            place.clock.now_ms = now_ms
            place.clock.undecided = [
                Undecided(created_at_ms, author, _Arrived(serial, number, held[serial]))
                for serial, created_at_ms, author in undecided
                if serial in held
            ]
        self._heap = [
            _Waiting(event_ms, partition, serial, held[serial])
            for event_ms, partition, serial in state.waiting
            if serial in held
        ]
        heapq.heapify(self._heap)
        self._arrivals = deque(state.arrivals)
        self._waiting = set(self.held())
        self._serial, self._now_ms = state.next_serial, state.now_ms

    def _now(self, now_ms: int) -> int:
        self._now_ms = now_ms if self._now_ms is None else max(self._now_ms, now_ms)
        return self._now_ms

    def _patience_ms(self, delay_ms: float, *, more_to_come: bool) -> float:
        least_ms = BUSY_SECONDS * 1000 if more_to_come else self._idle_ms
        return min(max(least_ms, _PATIENCE_PER_DELAY * delay_ms), self._lateness_ms)

    def _enter(self, decided: Iterable[Timed[_Arrived[T]]]) -> None:
        for event_ms, (serial, partition, item) in decided:
            heapq.heappush(self._heap, _Waiting(event_ms, partition, serial, item))

    def _release(self, now: int) -> list[T]:
        bound = self._bound(now)
        released = []
        while self._heap and (self._heap[0].event_ms <= bound or self._nothing_older_comes(now)):
            released.append(self._pop())
        while len(self._waiting) > self._max_waiting or self._someone_waited_too_long(now):
            self._decide_all()  # it may be one of the undecided
            released.append(self._pop())
        return released

    def _pop(self) -> T:
        first = heapq.heappop(self._heap)
        self._waiting.discard(first.serial)
        return first.item

    def _decide_all(self) -> None:
        for place in self._partitions.values():
            self._enter(place.clock.decide())

    def _bound(self, now: int) -> float:
        """The event time that all talking partitions have reached; infinite when none is to be waited for."""
        if len(self._partitions) == 1:
            self._decide_all()
            return float("inf")
        bound = float("inf")
        for place in self._partitions.values():
            if now - place.heard_ms >= place.patience_ms:
                self._enter(place.clock.decide())
            else:
                bound = min(bound, float("-inf") if place.clock.now_ms is None else place.clock.now_ms)
        return bound

    def _nothing_older_comes(self, now: int) -> bool:
        """Whether every partition has come as far as the first record, or holds nothing, or is given up."""
        event_ms, _, serial, _ = self._heap[0]
        return all(
            (place.clock.now_ms is not None and place.clock.now_ms >= event_ms)
            or (serial < place.drained_to and not place.clock.undecided)
            or now - place.heard_ms >= place.patience_ms
            for place in self._partitions.values()
        )

    def _someone_waited_too_long(self, now: int) -> bool:
        """The record that waits longest takes with it all that precede it, so that order is kept."""
        while self._arrivals and self._arrivals[0][0] not in self._waiting:
            self._arrivals.popleft()
        return bool(self._arrivals) and now - self._arrivals[0][1] >= self._lateness_ms
