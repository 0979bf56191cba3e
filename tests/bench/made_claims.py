"""Claims with texts and vectors, for the whole engine: words of labelled comments, vectors made up."""

from collections.abc import Iterator

import numpy as np

from models.types import Claim, pack_vectors
from tests.bench.made_rows import DENSE
from tests.worlds import names, read_world

__all__ = ["made_claims"]

_START_MS = 1_767_225_600_000  # 2026-01-01
_BETWEEN_MS = 1_000
_OPEN_TOPICS = 200
_CLAIMS_OF_A_TOPIC = 8
_IN_A_THREAD = 100


def made_claims(count: int) -> Iterator[Claim]:
    """Claims one second apart, each a comment of its own; topics come and go."""
    rng = np.random.default_rng(3)
    texts = [comment.text.split() for name in names() for comment in read_world(name).comments]
    seeds = rng.standard_normal((_OPEN_TOPICS, DENSE))
    sources = rng.integers(len(texts), size=_OPEN_TOPICS)
    for number in range(count):
        topic = int(rng.integers(_OPEN_TOPICS))
        if rng.random() < 1.0 / _CLAIMS_OF_A_TOPIC:
            seeds[topic], sources[topic] = rng.standard_normal(DENSE), rng.integers(len(texts))
        vector = seeds[topic] + 1.2 * rng.standard_normal(DENSE)
        anything = texts[rng.integers(len(texts))]
        words = [*rng.choice(texts[sources[topic]], 6), *rng.choice(anything, 14)]
        yield Claim(
            source="made",
            comment_id=str(number),
            n=0,
            of=1,
            text=" ".join(words),
            language="en",
            thread=str(number // _IN_A_THREAD),
            author=f"author-{rng.integers(5_000)}",
            created_at_ms=_START_MS + number * _BETWEEN_MS,
            vector=pack_vectors((vector / np.linalg.norm(vector)).astype(np.float32)[None, :])[0],
        )
