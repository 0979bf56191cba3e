"""Claims with texts and vectors, for the whole engine: words of labelled comments, vectors made up."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from models.types import Claim, pack_vectors
from tests.bench.made_rows import DENSE
from tests.worlds import names, read_world

__all__ = ["BUSY", "DENSE_IN_TOPICS", "Traffic", "made_claims"]

_START_MS = 1_767_225_600_000  # 2026-01-01
_IN_A_THREAD = 100


class Traffic(NamedTuple):
    """How claims come. loners: share of the claims that nobody else makes."""

    between_ms: int
    open_topics: int
    claims_of_a_topic: int  # in the mean
    loners: float
    open_threads: int


# A narrative of some eight claims after every eight claims: hardly anything but what is new.
DENSE_IN_TOPICS = Traffic(1_000, open_topics=200, claims_of_a_topic=8, loners=0.0, open_threads=1)
# Fifty claims a second; a third of them is alone.
BUSY = Traffic(20, open_topics=300, claims_of_a_topic=60, loners=0.35, open_threads=60)


def made_claims(count: int, traffic: Traffic = DENSE_IN_TOPICS) -> Iterator[Claim]:
    """Claims, each a comment of its own; topics and threads come and go."""
    rng = np.random.default_rng(3)
    texts = [comment.text.split() for name in names() for comment in read_world(name).comments]
    seeds = rng.standard_normal((traffic.open_topics, DENSE))
    sources = rng.integers(len(texts), size=traffic.open_topics)
    threads, fresh = np.arange(traffic.open_threads), traffic.open_threads
    for number in range(count):
        topic = int(rng.integers(traffic.open_topics))
        if rng.random() < 1.0 / traffic.claims_of_a_topic:
            seeds[topic], sources[topic] = rng.standard_normal(DENSE), rng.integers(len(texts))
        anything = texts[rng.integers(len(texts))]
        vector, words = 1.2 * rng.standard_normal(DENSE), [*rng.choice(anything, 14)]
        if rng.random() >= traffic.loners:
            vector += seeds[topic]
            words += [*rng.choice(texts[sources[topic]], 6)]
        place = topic % traffic.open_threads
        if rng.random() < 1.0 / _IN_A_THREAD:
            threads[place], fresh = fresh, fresh + 1
        yield Claim(
            source="made",
            comment_id=str(number),
            n=0,
            of=1,
            text=" ".join(words),
            language="en",
            thread=str(threads[place]),
            author=f"author-{rng.integers(5_000)}",
            created_at_ms=_START_MS + number * traffic.between_ms,
            vector=pack_vectors((vector / np.linalg.norm(vector)).astype(np.float32)[None, :])[0],
        )
