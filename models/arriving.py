"""An embedder that is still being loaded, so that whoever needs it later can get on with something else."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from models.embedding import Embedder

__all__ = ["ArrivingEmbedder"]


class ArrivingEmbedder:
    """The embedder that `load` returns, in a thread that begins at once.

    `loaded` has the embedder, or why there is none, and must not be cancelled. Everything else waits for it,
    and raises the same error; none of it belongs on an event loop before that.
    """

    def __init__(self, load: Callable[[], Embedder]) -> None:
        self._load = load
        self.loaded: Future[Embedder] = Future()
        # A daemon: a worker that is told to stop does not wait for a model that it will not use.
        threading.Thread(target=self._run, name="load-model", daemon=True).start()

    def _run(self) -> None:
        try:
            self.loaded.set_result(self._load())
        except BaseException as error:  # whoever waits raises it, else it would wait for ever
            self.loaded.set_exception(error)

    @cached_property
    def _embedder(self) -> Embedder:
        return self.loaded.result()

    @property
    def name(self) -> str:
        """See `Embedder`."""
        return self._embedder.name

    @property
    def dimensions(self) -> int:
        """See `Embedder`."""
        return self._embedder.dimensions

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """See `Embedder`."""
        return self._embedder.embed(texts)
