"""How far in event time one partition is, by the dates of its comments, one of which may be forged.

A date far ahead of those before it (a quiet night, or a forgery) is not judged at once: it and what follows
are undecided until other authors confirm the leap, a comment from before it refutes it, or nothing comes for
a while. `models.clock` decides likewise for the engine, but may not wait; here the records have to wait for
other partitions anyway.
"""

from typing import Generic, NamedTuple, TypeVar

from models.clock import CONFIRMING_AUTHORS, MAX_STEP_MS

__all__ = ["PartitionClock", "Timed", "Undecided"]

T = TypeVar("T")


class Timed(NamedTuple, Generic[T]):
    """A record with the event time, epoch ms, at which it takes its place."""

    event_ms: float
    item: T


class Undecided(NamedTuple, Generic[T]):
    """A record whose date is not believed yet."""

    created_at_ms: int | None
    author: str
    item: T


class PartitionClock(Generic[T]):
    """Gives the records of a partition event times that never run backwards: their order stays."""

    def __init__(self) -> None:
        self.now_ms: float | None = None  # None before the first record
        self.undecided: list[Undecided[T]] = []

    def advance(self, created_at_ms: int | None, author: str, item: T) -> list[Timed[T]]:
        """Take the next record; returns those whose time is decided by it, in their order.

        created_at_ms: None when the date is unknown: the record happens when the one before it did.
        """
        if self._is_leap(created_at_ms) or (self.undecided and created_at_ms is None):
            self.undecided.append(Undecided(created_at_ms, author, item))
            return self.decide() if self._is_confirmed() else []
        refuted = self._refute()
        return [*refuted, Timed(self._move(created_at_ms), item)]

    def decide(self) -> list[Timed[T]]:
        """Believe the earliest of the dates that are undecided; returns the records, in their order."""
        undecided, self.undecided = self.undecided, []
        dates = [one.created_at_ms for one in undecided if one.created_at_ms is not None]
        if dates:
            self.now_ms = min(dates)
        return [
            # Of dates that leap even from there one is forged: such a record happens "now".
            Timed(self._move(None if self._is_leap(one.created_at_ms) else one.created_at_ms), one.item)
            for one in undecided
        ]

    def _refute(self) -> list[Timed[T]]:
        undecided, self.undecided = self.undecided, []
        return [Timed(self._move(None), one.item) for one in undecided]

    def _is_leap(self, created_at_ms: int | None) -> bool:
        if created_at_ms is None or self.now_ms is None:
            return False
        return created_at_ms > self.now_ms + MAX_STEP_MS

    def _is_confirmed(self) -> bool:
        authors = {one.author for one in self.undecided if one.created_at_ms is not None}
        return len(authors) > CONFIRMING_AUTHORS

    def _move(self, created_at_ms: int | None) -> float:
        before = float("-inf") if self.now_ms is None else self.now_ms
        now = before if created_at_ms is None else max(before, created_at_ms)
        if created_at_ms is not None or self.now_ms is not None:
            self.now_ms = now
        return now
