"""Encoders with nothing around them, each in a process of its own: what no pipeline can surpass."""

import multiprocessing
import time
from collections.abc import Sequence
from multiprocessing.synchronize import Barrier

from models.embedding import load_embedder
from models.packaged import default_cache_dir

__all__ = ["bare_speed"]

_A_CALL = 256  # texts, as in a worker's batch
_START_SECONDS = 300.0


def bare_speed(texts: Sequence[str], processes: int, *, threads: int = 0, model: str = "packaged") -> float:
    """Texts a second of so many processes, which share the texts out between them.

    threads: of each process, 0 for as many as there are cores.
    """
    spawn = multiprocessing.get_context("spawn")
    barrier = spawn.Barrier(processes + 1)
    parts = [list(texts[number::processes]) for number in range(processes)]
    started = [spawn.Process(target=_embed, args=(part, model, threads, barrier)) for part in parts]
    for process in started:
        process.start()
    try:
        barrier.wait(_START_SECONDS)
        begun = time.perf_counter()
        barrier.wait(_START_SECONDS)
        return len(texts) / (time.perf_counter() - begun)
    finally:
        for process in started:
            process.join(10)
            process.kill()


def _embed(texts: list[str], model: str, threads: int, barrier: Barrier) -> None:
    embedder = load_embedder(model, cache_dir=default_cache_dir(), threads=threads)
    embedder.embed(["Loaded, and ready to go."])
    barrier.wait(_START_SECONDS)
    for start in range(0, len(texts), _A_CALL):
        embedder.embed(texts[start : start + _A_CALL])
    barrier.wait(_START_SECONDS)
