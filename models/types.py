"""The records that the models exchange: a claim with its vector, and what the engine says of it.

They are msgspec structs, so the same types go through Kafka as MessagePack (see `streams.records`) and
through files as JSON. Times are epoch milliseconds, UTC. Vectors travel as bytes (little-endian float16):
the rounding is part of the record, so that live and replayed claims are the same numbers.
"""

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

__all__ = ["UNKNOWN_LANGUAGE", "Claim", "pack_vectors", "unpack_vectors"]

UNKNOWN_LANGUAGE = "und"  # ISO 639-2 for "undetermined"


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """A sentence or two of a comment that a reader could agree or disagree with."""

    source: str
    comment_id: str
    n: int  # position in its comment, from 0
    of: int  # how many claims the comment has
    text: str  # clean: no markup, no control characters
    language: str  # ISO 639-1, or "und"
    thread: str
    author: str  # keyed hash, never the name
    created_at_ms: int | None  # None: unknown or beyond belief; the engine's clock decides
    vector: bytes  # float16, unit length
    parent: str | None = None
    thread_title: str = ""
    permalink: str = ""
    # Vectors of its sentences, where it has several and somebody watches: a watch looks at each.
    sentences: list[bytes] = []


def pack_vectors(vectors: NDArray[np.float32]) -> list[bytes]:
    """(n, d) float32 rows as n byte strings of little-endian float16."""
    return [row.tobytes() for row in vectors.astype("<f2")]


def unpack_vectors(packed: Sequence[bytes]) -> NDArray[np.float32]:
    """The rows that `pack_vectors` packed, (n, d) float32.  Raises ValueError when lengths differ."""
    if not packed:
        return np.zeros((0, 0), dtype=np.float32)
    if len({len(row) for row in packed}) > 1:
        raise ValueError("vectors of different dimensions in one batch")
    return np.frombuffer(b"".join(packed), dtype="<f2").reshape(len(packed), -1).astype(np.float32)
