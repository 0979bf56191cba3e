"""What it is worth that two claims stand in the same thread.

In a discussion people answer one another, so two claims of one thread are far more often the same than two of
different threads (measured on labelled comments: fifty times). That counts as similarity beside that of the
texts. What it is worth depends on the thread: where everything is alike, as in a debate of one motion, being
alike says little, and what calls a whole stream one thread says nothing by it.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Context", "Where", "thread_key"]

# The mean similarity of a thread's claims is believed once there are some: with ten it counts by half.
_FEW_CLAIMS = 10
# So many recent claims in one thread are no discussion but a stream, and sharing it says nothing.
_ENDLESS_CLAIMS = 400
# Claims that add less than this to their similarity to others are chatter and tell nothing of the thread.
_LITTLE = -0.015

Where = Mapping[str, int]
"""Thread key to the number of claims there."""


class _Share(NamedTuple):
    item: int
    share: float


def thread_key(source: str, thread: str) -> str:
    """The name of a thread across sources; empty when the thread is not known."""
    return f"{source}\x1f{thread}" if thread else ""


class Context:
    """The similarity that the place adds. same_thread: what sharing a thread is worth where threads are many.

    telling: how much places tell here, from 0 (not known, or one endless thread) to 1 (short threads).
    """

    def __init__(self, same_thread: float) -> None:
        self._same_thread = same_thread
        self.offsets: dict[str, float] = {}
        self.telling = 1.0

    @property
    def most(self) -> float:
        """No pair gains more, but in threads whose claims are less alike than those of different threads."""
        return max([self._same_thread * self.telling, *self.offsets.values()])

    def measure(self, threads: Sequence[str], rows: NDArray[np.float32]) -> None:
        """Learn from recent claims what is usual in each thread.

        threads: keys, n; rows: (n, d) as `Representation.rows` makes them.
        """
        places: dict[str, list[int]] = {}
        for place, thread in enumerate(threads):
            places.setdefault(thread, []).append(place)
        worth = {
            thread: max(0.0, 1.0 - len(found) / _ENDLESS_CLAIMS) if thread else 0.0
            for thread, found in places.items()
        }
        self.telling = sum(worth[thread] for thread in threads) / len(threads)
        of_substance = rows[:, -2] > _LITTLE
        texts = rows[:, :-2]
        self.offsets = {
            thread: worth[thread] * self._offset(texts[[place for place in found if of_substance[place]]])
            for thread, found in places.items()
            if thread
        }

    def matrix(self, items: Sequence[Where]) -> NDArray[np.float64]:
        """What each pair of items gains on average over the pairs of their claims: (n, n)."""
        gains = np.zeros((len(items), len(items)))
        for thread, shares in _by_thread(items).items():
            index = np.array([one.item for one in shares])
            share = np.array([one.share for one in shares])
            gains[np.ix_(index, index)] += np.outer(share, share) * self._offset_of(thread)
        return gains

    def gain(self, thread: str, where: Where) -> float:
        """What one claim and an item gain."""
        if not thread or thread not in where:
            return 0.0
        return where[thread] / sum(where.values()) * self._offset_of(thread)

    def _offset_of(self, thread: str) -> float:
        return self.offsets.get(thread, self._same_thread * self.telling)

    def _offset(self, texts: NDArray[np.float32]) -> float:
        """What sharing this thread is worth, less what its claims are alike anyway."""
        pairs = len(texts) * (len(texts) - 1)
        if not pairs:
            return self._same_thread
        total = texts.sum(axis=0, dtype=np.float64)
        alike = (float(total @ total) - float(np.einsum("ij,ij->", texts, texts))) / pairs
        trust = pairs / (pairs + _FEW_CLAIMS * (_FEW_CLAIMS - 1))
        return self._same_thread - trust * alike


def _by_thread(items: Iterable[Where]) -> dict[str, list[_Share]]:
    found: dict[str, list[_Share]] = {}
    for item, where in enumerate(items):
        total = sum(where.values())
        for thread, claims in where.items():
            if thread:
                found.setdefault(thread, []).append(_Share(item, claims / total))
    return found
