"""Acknowledges the records of a partition in the order of their offsets, whatever order they are done in.

Faust commits the end of the first unbroken run of acknowledged offsets; before the first commit it cannot
know that an earlier one is missing, and would leave it out for good.
"""

from collections.abc import Callable
from typing import Protocol

__all__ = ["AckLedger", "Acknowledgeable"]


class Acknowledgeable(Protocol):
    """An event of a stream."""

    def ack(self) -> bool:
        """Say that it is done."""


class AckLedger:
    """The events of one partition that are held. on_ack: called with each offset as it is acknowledged."""

    def __init__(self, on_ack: Callable[[int], None]) -> None:
        self._on_ack = on_ack
        self._held: dict[int, Acknowledgeable] = {}  # by offset, ascending
        self._done: set[int] = set()

    def __contains__(self, offset: int) -> bool:
        return offset in self._held

    def hold(self, offset: int, event: Acknowledgeable) -> None:
        """Hold an event until it is done. One that came again after a rebalance takes the earlier's place."""
        self._held[offset] = event

    def done(self, offset: int) -> None:
        """An event is done: acknowledge it, and those after it that were done before."""
        if offset in self._held:
            self._done.add(offset)
        while self._held and (first := next(iter(self._held))) in self._done:
            self._done.discard(first)
            self._held.pop(first).ack()
            self._on_ack(first)
