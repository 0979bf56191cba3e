"""An embedder that is loaded beside other work."""

import threading

import numpy as np
import pytest

from models.arriving import ArrivingEmbedder
from models.embedding import Embedder, HashEmbedder
from models.errors import ModelError


def test_whoever_asks_waits_until_it_is_there() -> None:
    may_load = threading.Event()

    def load() -> Embedder:
        assert may_load.wait(10)
        return HashEmbedder(8)

    embedder = ArrivingEmbedder(load)
    assert not embedder.loaded.done()
    threading.Timer(0.05, may_load.set).start()
    assert embedder.dimensions == 8
    assert embedder.loaded.done()
    assert embedder.name == HashEmbedder(8).name
    assert np.array_equal(embedder.embed(["a word"]), HashEmbedder(8).embed(["a word"]))


def test_everybody_learns_that_there_is_none() -> None:
    def load() -> Embedder:
        raise ModelError("there is no model folder")

    embedder = ArrivingEmbedder(load)
    for _ in range(2):
        with pytest.raises(ModelError, match="no model folder"):
            embedder.embed(["a word"])
    assert isinstance(embedder.loaded.exception(), ModelError)
