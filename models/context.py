"""What it is worth that two claims stand in the same thread.

In a discussion people answer one another, so two claims of one thread are far more often the same than two of
different threads (measured on labelled comments: about fifteen times). That counts as similarity beside that
of the texts. Two things lessen it: that everything in a thread is alike anyway, as in a debate of one motion,
where being alike says little; and that a thread grows, in which ever more is claimed and a pair taken at
random is ever less often the same. What calls a whole stream one thread therefore soon says nothing by it.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Context", "ThreadSize", "Where", "is_chatter", "thread_key"]

# The mean similarity of a thread's claims is believed once there are some: with ten it counts by half.
_FEW_CLAIMS = 10
# Up to so many claims of substance, sharing a thread is worth all it can be.
_SMALL_THREAD = 30
# What each further factor of e in size takes away. A pair's chance to be the same claim falls as 1 / size,
# and one natural logit of it weighs as much as 0.07 of similarity (logistic regression over labelled pairs).
_PER_LOGIT = 0.07
# Claims that add less than this to their similarity to others are chatter and tell nothing of a thread.
_LITTLE = -0.015

Where = Mapping[str, int]
"""Thread key to the number of claims there."""


class ThreadSize(NamedTuple):
    """How many claims of substance a thread has had, and when the last came (epoch ms)."""

    claims: int
    last_ms: int


class _Share(NamedTuple):
    item: int
    share: float


def thread_key(source: str, thread: str) -> str:
    """The name of a thread across sources; empty when the thread is not known."""
    return f"{source}\x1f{thread}" if thread else ""


def is_chatter(substance: float) -> bool:
    """Whether a claim is one of nothing. substance: what it adds to its similarity to anything."""
    return substance <= _LITTLE


class Context:
    """The similarity that the place adds. same_thread: what sharing a small thread is worth.

    sizes, alike: what has been learned of each thread; alike is the mean similarity of its recent claims.
    """

    def __init__(self, same_thread: float) -> None:
        self._same_thread = same_thread
        self.sizes: dict[str, ThreadSize] = {}
        self.alike: dict[str, float] = {}

    @property
    def most(self) -> float:
        """No pair gains more."""
        return self._same_thread - min([0.0, *self.alike.values()])

    def count(self, thread: str, substance: float, now_ms: int) -> None:
        """Count one claim. substance: what it adds to its similarity to anything."""
        if thread and not is_chatter(substance):
            self.sizes[thread] = ThreadSize(self._claims(thread) + 1, now_ms)

    def forget(self, before_ms: int) -> None:
        """Drop threads without a claim since then."""
        self.sizes = {thread: size for thread, size in self.sizes.items() if size.last_ms >= before_ms}

    def measure(self, threads: Sequence[str], rows: NDArray[np.float32]) -> None:
        """Learn from recent claims how much those of each thread are alike.

        threads: keys, n; rows: (n, d) as `Representation.rows` makes them.
        """
        substance = rows[:, -2].tolist()
        places: dict[str, list[int]] = {}
        for place, thread in enumerate(threads):
            if thread and not is_chatter(substance[place]):
                places.setdefault(thread, []).append(place)
        texts = rows[:, :-2]
        self.alike = {thread: _alike(texts[found]) for thread, found in places.items()}

    def matrix(self, items: Sequence[Where]) -> NDArray[np.float64]:
        """What each pair of items gains on average over the pairs of their claims: (n, n)."""
        gains = np.zeros((len(items), len(items)))
        for thread, shares in _by_thread(items).items():
            index = np.array([one.item for one in shares])
            share = np.array([one.share for one in shares])
            gains[np.ix_(index, index)] += np.outer(share, share) * self._worth(thread)
        return gains

    def gain(self, thread: str, where: Where) -> float:
        """What one claim and an item gain."""
        if not thread or thread not in where:
            return 0.0
        return where[thread] / sum(where.values()) * self._worth(thread)

    def _claims(self, thread: str) -> int:
        return self.sizes[thread].claims if thread in self.sizes else 0

    def _worth(self, thread: str) -> float:
        growth = math.log(max(self._claims(thread), _SMALL_THREAD) / _SMALL_THREAD)
        return max(0.0, self._same_thread - _PER_LOGIT * growth) - self.alike.get(thread, 0.0)


def _alike(texts: NDArray[np.float32]) -> float:
    """Mean similarity of the pairs, as far as it is believed; 0 without any."""
    pairs = len(texts) * (len(texts) - 1)
    if not pairs:
        return 0.0
    total = texts.sum(axis=0, dtype=np.float64)
    mean = (float(total @ total) - float(np.einsum("ij,ij->", texts, texts))) / pairs
    return mean * pairs / (pairs + _FEW_CLAIMS * (_FEW_CLAIMS - 1))


def _by_thread(items: Iterable[Where]) -> dict[str, list[_Share]]:
    found: dict[str, list[_Share]] = {}
    for item, where in enumerate(items):
        total = sum(where.values())
        for thread, claims in where.items():
            if thread:
                found.setdefault(thread, []).append(_Share(item, claims / total))
    return found
