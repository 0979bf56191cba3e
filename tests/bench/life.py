"""A long stream through assignment and the life cycle of narratives, without texts.

Topics come, are spoken of by some eight claims, and go. What the engine clusters is known here: three
held-back claims of a topic found a narrative. Everything else happens to `models.centroids` as in the engine:
claims look together between one review and the next, and are assigned one by one; sums are made anew at every
review, old claims settle, quiet narratives are forgotten.
"""

import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.centroids import Centroids
from models.parameters import Parameters
from tests.bench.made_rows import ROW, MadeRows

__all__ = ["Mark", "live", "resident_mib"]

_PARAMETERS = Parameters()
_REVIEW_CLAIMS = _PARAMETERS.window_claims // _PARAMETERS.reviews_per_window
_OPEN_TOPICS = 200
_CLAIMS_OF_A_TOPIC = 8
_KEPT_CLAIMS = (
    90_000  # a narrative is forgotten so many claims after its last: some 10,000 are there at a time
)
_NONE = -1


class Mark(NamedTuple):
    """Where a stream stands. Microseconds are means a claim since the last mark."""

    claims: int
    narratives: int
    joined: float  # share of the claims since the last mark that joined a narrative at once
    assignment_us: float
    review_us: float
    yardstick_us: float  # a product that is always the same: what else runs on the machine slows it alike
    resident_mib: float


def resident_mib() -> float:
    """Memory of this process now, MiB."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024.0
    raise OSError("no resident size in /proc/self/status")


def live(claims: int, every: int) -> Iterator[Mark]:
    """Run a stream; yields after each `every` claims."""
    rng = np.random.default_rng(11)
    made = MadeRows(claims // _CLAIMS_OF_A_TOPIC + _OPEN_TOPICS + 1)
    one = _Life()
    open_topics, fresh = np.arange(_OPEN_TOPICS), _OPEN_TOPICS
    joined, assigning, reviewing = 0, 0.0, 0.0
    for read in range(_REVIEW_CLAIMS, claims + _REVIEW_CLAIMS, _REVIEW_CLAIMS):
        topics = rng.choice(open_topics, _REVIEW_CLAIMS)
        rows = made.claims(topics)
        start = time.perf_counter()
        joined += one.assign(rows, topics)
        middle = time.perf_counter()
        one.review()
        assigning, reviewing = assigning + middle - start, reviewing + time.perf_counter() - middle
        ended = rng.choice(_OPEN_TOPICS, _REVIEW_CLAIMS // _CLAIMS_OF_A_TOPIC, replace=False)
        open_topics[ended] = np.arange(fresh, fresh + len(ended))
        fresh += len(ended)
        if read // every > (read - _REVIEW_CLAIMS) // every:
            since = read - (read // every - 1) * every if read < 2 * every else every
            yield Mark(
                read,
                len(one.centroids),
                joined / since,
                assigning / since * 1e6,
                reviewing / since * 1e6,
                _yardstick_us(),
                resident_mib(),
            )
            joined, assigning, reviewing = 0, 0.0, 0.0


def _yardstick_us() -> float:
    matrix, line = np.ones((128, 10_000), dtype=np.float32), np.ones(128, dtype=np.float32)
    took = []
    for _ in range(200):
        start = time.perf_counter()
        line @ matrix
        took.append(time.perf_counter() - start)
    return float(np.median(took)) * 1e6


class _Life:
    """The engine's way with `Centroids`, and what is in the window."""

    def __init__(self) -> None:
        self.centroids = Centroids(ROW, _PARAMETERS.idle_factor, _PARAMETERS.doubt)
        self._rows: NDArray[np.float32] = np.zeros((0, ROW), dtype=np.float32)
        self._topics: NDArray[np.int64] = np.zeros(0, dtype=np.int64)
        self._owners: NDArray[np.int64] = np.zeros(0, dtype=np.int64)
        self._now = 0  # claims stand for time

    def assign(self, rows: NDArray[np.float32], topics: NDArray[np.int64]) -> int:
        """One claim after the other; returns how many joined."""
        owners = []
        thresholds = np.full(len(rows), _PARAMETERS.link_similarity, dtype=np.float32)
        glance = self.centroids.glance(rows, thresholds)
        for place, row in enumerate(rows):
            self._now += 1
            uid, similarity = self.centroids.nearest(glance, place)
            joins = similarity >= _PARAMETERS.link_similarity
            if joins:
                self.centroids.add(uid, row, self._now)
            owners.append(uid if joins else _NONE)
        self._rows = np.concatenate([self._rows, rows])
        self._topics = np.concatenate([self._topics, topics])
        self._owners = np.concatenate([self._owners, np.array(owners, dtype=np.int64)])
        return len(owners) - owners.count(_NONE)

    def review(self) -> None:
        """Found what has enough claims, slide the window, forget."""
        self.centroids.refresh(self._rows, self._owners)
        held = Counter(self._topics[self._owners == _NONE].tolist())
        for topic in sorted(topic for topic, count in held.items() if count >= _PARAMETERS.min_authors):
            mine = (self._topics == topic) & (self._owners == _NONE)
            self._owners[mine] = self.centroids.create(self._now)
        self.centroids.refresh(self._rows, self._owners)
        over = max(0, len(self._rows) - _PARAMETERS.window_claims)
        for row, owner in zip(self._rows[:over], self._owners[:over].tolist(), strict=True):
            if owner != _NONE:
                self.centroids.settle(owner, row)
        self._rows, self._topics, self._owners = self._rows[over:], self._topics[over:], self._owners[over:]
        for uid in self.centroids.idle_since(self._now - _KEPT_CLAIMS):
            self.centroids.drop(uid)
