"""Compiles the loops that numba compiles, so that no stream waits for it: `python -m models.compiled`.

What is compiled is kept beside the sources, or where those cannot be written to in the user's cache (or in
`NUMBA_CACHE_DIR`). Setup does it, and the image.
"""

import numpy as np

from models.engine import Engine
from models.types import Claim, pack_vectors

__all__ = ["compile_loops"]

_DIMENSIONS = 384
_TOPICS = 300  # so many narratives that they are searched as many are
_CLAIMS_OF_A_TOPIC = 5
_START_MS = 1_767_225_600_000
_GAP_MS = 10_000


def compile_loops() -> int:
    """Let an engine read a made-up stream that brings it everywhere; returns how many narratives it found."""
    rng = np.random.default_rng(0)
    engine = Engine(_DIMENSIONS)
    for number in range(_TOPICS * _CLAIMS_OF_A_TOPIC):
        topic = number // _CLAIMS_OF_A_TOPIC
        vector = np.zeros(_DIMENSIONS, dtype=np.float32)
        vector[topic] = 1.0
        vector += 0.01 * rng.standard_normal(_DIMENSIONS).astype(np.float32)
        claim = Claim(
            source="made",
            comment_id=str(number),
            n=0,
            of=1,
            text=f"topic{topic} stands {number} in words{topic} like other{number % 7} ones",
            language="en",
            thread=str(number % 50),
            author=str(number),
            created_at_ms=_START_MS + number * _GAP_MS,
            vector=pack_vectors(vector[None, :] / np.linalg.norm(vector))[0],
        )
        engine.observe([[claim]])
    return len(engine.narratives())


if __name__ == "__main__":
    print(f"compiled: {compile_loops()} narratives in a made-up stream")
