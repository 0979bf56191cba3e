"""What it means that two claims stand in the same thread.

In a discussion people answer one another, so two claims of one thread are far more often the same than two of
different threads (measured on labelled comments: about fifteen times). That counts as similarity beside that
of the texts, and the less the larger the thread: the more is claimed, the less often is a pair taken at
random the same claim. What calls a whole stream one thread therefore soon says nothing by it.

But everything in a thread is about the same things, and alike for that. What tells its claims apart is how
they differ from what is usual there: inside a thread, vectors are centred by the thread's own mean, and what
differences tell claims of a thread apart was learned from labelled ones (see `models.metric`): that counts
the more the better the thread's mean is known, and not at all where it is too large to be a discussion.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from models.lexical import LEXICAL_DIMENSIONS
from models.metric import Metric

__all__ = ["Context", "ThreadMean", "ThreadSize", "is_chatter", "thread_key"]

# Up to so many claims of substance, sharing a thread is worth all it can be.
_SMALL_THREAD = 30
# What each further factor of e in size takes away.
_PER_LOGIT = 0.04
# A thread's mean is believed by half once it has so many claims: in a young thread the mean is the narrative.
_PRIOR_CLAIMS = 40
# What was learned of claims in general counts by half once it has so many: it was learned from large threads.
_PRIOR_METRIC_CLAIMS = 120
# Claims that add less than this to their similarity to others are chatter and tell nothing of a thread.
_LITTLE = -0.015
_NO_DIRECTION = 1e-6


class ThreadSize(NamedTuple):
    """How many claims of substance a thread has had, and when the last came (epoch ms)."""

    claims: int
    last_ms: int


class ThreadMean(NamedTuple):
    """The sum of the dense parts of a thread's claims of substance, (dense,) float64 as bytes; how many."""

    total: bytes
    claims: int


def thread_key(source: str, thread: str) -> str:
    """The name of a thread across sources; empty when the thread is not known."""
    return f"{source}\x1f{thread}" if thread else ""


def is_chatter(substance: float) -> bool:
    """Whether a claim is one of nothing. substance: what it adds to its similarity to anything."""
    return substance <= _LITTLE


class Context:
    """What is known of threads. same_thread: the similarity that sharing a small one is worth.

    metric: of such vectors, where there is one. Rows are those of `Representation.rows`; what is called dense
    is their first part.
    """

    def __init__(self, same_thread: float, metric: Metric | None = None) -> None:
        self._same_thread = same_thread
        self._metric = metric
        self.sizes: dict[str, ThreadSize] = {}
        self._settled: dict[str, tuple[NDArray[np.float64], int]] = {}  # of claims that left the window
        self._means: dict[str, tuple[NDArray[np.float64], int]] = {}

    def count(self, thread: str, substance: float, now_ms: int) -> None:
        """Count one claim. substance: what it adds to its similarity to anything."""
        if thread and not is_chatter(substance):
            self.sizes[thread] = ThreadSize(self._claims(thread) + 1, now_ms)

    def forget(self, before_ms: int) -> None:
        """Drop the sizes of threads without a claim since then."""
        self.sizes = {thread: size for thread, size in self.sizes.items() if size.last_ms >= before_ms}

    def worth(self, thread: str) -> float:
        """The similarity that any two claims gain by standing in this thread."""
        growth = math.log(max(self._claims(thread), _SMALL_THREAD) / _SMALL_THREAD)
        return max(0.0, self._same_thread - _PER_LOGIT * growth) if thread else 0.0

    def measure(self, threads: Sequence[str], rows: NDArray[np.float32]) -> None:
        """Learn the means of threads from the claims of the window. threads: keys, n; rows: (n, d)."""
        dense = rows[:, : -LEXICAL_DIMENSIONS - 2]
        places: dict[str, list[int]] = {}
        for place, (thread, substance) in enumerate(zip(threads, rows[:, -2].tolist(), strict=True)):
            if thread and not is_chatter(substance):
                places.setdefault(thread, []).append(place)
        self._means = dict(self._settled)
        for thread, found in places.items():
            total = dense[found].sum(axis=0, dtype=np.float64)
            before = self._settled.get(thread)
            self._means[thread] = (
                (total, len(found)) if before is None else (total + before[0], len(found) + before[1])
            )

    def settle(self, thread: str, row: NDArray[np.float32]) -> None:
        """A claim leaves the window: its row is final. `measure` makes it count."""
        if not thread or is_chatter(float(row[-2])):
            return
        dense = row[: -LEXICAL_DIMENSIONS - 2].astype(np.float64)
        total, claims = self._settled.get(thread, (np.zeros_like(dense), 0))
        self._settled[thread] = (total + dense, claims + 1)

    def keep_means(self, threads: Iterable[str]) -> None:
        """Forget the means of all other threads."""
        known = set(threads)
        self._settled = {thread: mean for thread, mean in self._settled.items() if thread in known}

    def inside(self, threads: Sequence[str], rows: NDArray[np.float32]) -> NDArray[np.float32]:
        """The dense part of rows as it is seen inside its thread: (n, dense), each as long as it was."""
        dense = rows[:, : -LEXICAL_DIMENSIONS - 2]
        means = {thread: self._mean(thread) for thread in set(threads) & self._means.keys()}
        if not means:
            return dense
        none = np.zeros(dense.shape[1], dtype=np.float32)
        centred = dense - np.stack([means.get(thread, none) for thread in threads])
        if self._metric is not None:
            shares = {thread: self._share(thread) for thread in set(threads)}
            of_each = np.array([shares[thread] for thread in threads], dtype=np.float32)
            inside = np.flatnonzero(of_each)
            centred[inside] = self._metric.of(centred[inside], of_each[inside])
        lengths = np.sqrt(np.vecdot(centred, centred))
        scale = np.sqrt(np.vecdot(dense, dense)) / np.maximum(lengths, _NO_DIRECTION)
        seen: NDArray[np.float32] = centred * np.where(lengths > _NO_DIRECTION, scale, 0.0)[:, None]
        return seen.astype(np.float32)

    def inside_one(self, thread: str, dense: NDArray[np.float32]) -> NDArray[np.float32]:
        """`inside` of one claim, but for rounding. dense: of its row, (dense,)."""
        known = self._means.get(thread)
        if known is None:
            return dense
        seen = _centred(dense, known[0], known[1] + _PRIOR_CLAIMS)
        if self._metric is not None and (share := self._share(thread)):
            self._metric.of_one(seen, share)
        return _made_as_long(seen, dense)

    def _share(self, thread: str) -> float:
        """How much of the metric counts in a thread: the more, the more claims its mean is of.

        In a young thread vectors are not yet seen by how they differ from what is usual there, as those were
        that the metric was fitted to; and in one that is too large to be a discussion it counts nothing.
        """
        if thread not in self._means or self.worth(thread) <= 0.0:
            return 0.0
        claims = self._means[thread][1]
        return claims / (claims + _PRIOR_METRIC_CLAIMS)

    def _mean(self, thread: str) -> NDArray[np.float32]:
        total, claims = self._means[thread]
        return (total / (claims + _PRIOR_CLAIMS)).astype(np.float32)

    def _claims(self, thread: str) -> int:
        return self.sizes[thread].claims if thread in self.sizes else 0

    def state(self) -> tuple[list[tuple[str, ThreadMean]], list[tuple[str, ThreadMean]]]:
        """The means, settled and current, to be given to `load`; sizes are public."""
        return _packed(self._settled), _packed(self._means)

    def load(self, state: tuple[Iterable[tuple[str, ThreadMean]], Iterable[tuple[str, ThreadMean]]]) -> None:
        """Take over what `state` returned."""
        self._settled, self._means = _unpacked(state[0]), _unpacked(state[1])


@njit(cache=True)
def _centred(dense: NDArray[np.float32], total: NDArray[np.float64], claims: int) -> NDArray[np.float32]:
    centred = np.empty_like(dense)
    for column in range(len(dense)):
        centred[column] = dense[column] - np.float32(total[column] / claims)
    return centred


@njit(cache=True)
def _made_as_long(vector: NDArray[np.float32], other: NDArray[np.float32]) -> NDArray[np.float32]:
    """The vector, which is changed."""
    before = after = 0.0
    for column in range(len(vector)):
        before += other[column] * other[column]
        after += vector[column] * vector[column]
    length = math.sqrt(after)
    vector *= np.float32(math.sqrt(before) / length if length > _NO_DIRECTION else 0.0)
    return vector


def _packed(means: Mapping[str, tuple[NDArray[np.float64], int]]) -> list[tuple[str, ThreadMean]]:
    return [
        (thread, ThreadMean(total.astype("<f8").tobytes(), claims))
        for thread, (total, claims) in means.items()
    ]


def _unpacked(means: Iterable[tuple[str, ThreadMean]]) -> dict[str, tuple[NDArray[np.float64], int]]:
    return {thread: (np.frombuffer(mean.total, dtype="<f8"), mean.claims) for thread, mean in means}
