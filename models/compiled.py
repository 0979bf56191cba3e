"""Compiles the loops that numba compiles, so that no stream waits for it: `python -m models.compiled`.

What is compiled is kept beside the sources, or where those cannot be written to in the user's cache (or in
`NUMBA_CACHE_DIR`). Setup does it, and the image.
"""

import tempfile
from pathlib import Path

import numpy as np

from models.bert_state import BertShape
from models.encoder_build import is_possible
from models.engine import Engine
from models.types import Claim, pack_vectors
from models.vnni_network import VnniNetwork, write_vnni_network

__all__ = ["compile_encoder", "compile_loops"]

_DIMENSIONS = 384
_TOPICS = 300  # so many narratives that they are searched as many are
_CLAIMS_OF_A_TOPIC = 5
_START_MS = 1_767_225_600_000
_GAP_MS = 10_000
_COLUMNS = 64
_AT = "encoder.layer.0."
_NORMS = ("embeddings.LayerNorm", f"{_AT}attention.output.LayerNorm", f"{_AT}output.LayerNorm")
_DENSE = [f"{_AT}attention.self.{part}" for part in ("query", "key", "value")]
_DENSE += [f"{_AT}{part}.dense" for part in ("attention.output", "intermediate", "output")]
_ONE_LAYER: dict[str, tuple[int, ...]] = {
    **{f"embeddings.{kind}_embeddings.weight": (4, _COLUMNS) for kind in ("word", "position", "token_type")},
    **{f"{name}.{part}": (_COLUMNS,) for name in _NORMS for part in ("weight", "bias")},
    **{f"{name}.weight": (_COLUMNS, _COLUMNS) for name in _DENSE},
    **{f"{name}.bias": (_COLUMNS,) for name in _DENSE},
}


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


def compile_encoder() -> bool:
    """Let a made-up network of one layer read a text; False where this processor cannot run it."""
    if not is_possible("numba-int8"):
        return False
    rng = np.random.default_rng(0)
    state = {name: rng.standard_normal(shape).astype(np.float32) for name, shape in _ONE_LAYER.items()}
    with tempfile.TemporaryDirectory() as folder:
        write_vnni_network(Path(folder), state, BertShape(layers=1, heads=2, layer_norm_eps=1e-12))
        VnniNetwork(Path(folder), mean=True).run([[0, 1, 2]])
    return True


if __name__ == "__main__":
    print(f"compiled: {compile_loops()} narratives in a made-up stream")
    print(f"the encoder too: {compile_encoder()}")
