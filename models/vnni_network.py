"""The files that `models.vnni_bert` computes from: made of a model's weights, and loaded."""

import itertools
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.bert_state import (
    LARGEST,
    ZERO,
    BertShape,
    State,
    is_late,
    place_table,
    rounded_columns,
    value_bias,
    word_table,
)
from models.cache_lines import aligned_zeros
from models.errors import ModelError
from models.vnni_bert import COLUMNS, HEAD_COLUMNS, Room, Weights, encode, largest_short

__all__ = ["VnniNetwork", "write_vnni_network"]

_WEIGHTS, _WORDS, _PLACES = "weights.npz", "words.npy", "places.npy"
_HEADS = "heads"
_MIXED = ("query", "key", "value")
_BYTES, _SHORTS = 4, 2  # numbers in one step of a column

_Floats = NDArray[np.float32]


class VnniNetwork:
    """See `models.built_embedder.Network`. Threads may run it at once: each works in a room of its own."""

    is_ragged = True

    def __init__(self, folder: Path, *, mean: bool) -> None:
        """Of a folder that `write_vnni_network` filled; mean: pool so, else take the first token.

        Raises ModelError.
        """
        try:
            with np.load(folder / _WEIGHTS) as arrays:
                self._weights = Weights(**{name: _placed(arrays[name]) for name in Weights._fields})
                self._heads = int(arrays[_HEADS])
            # Most of the bytes, of which few are read at a time: mapped, and shared by processes.
            self._words: NDArray[np.float16] = np.load(folder / _WORDS, mmap_mode="r")
            self._places: _Floats = np.load(folder / _PLACES)
        except (OSError, KeyError, ValueError) as error:
            raise ModelError(f"cannot load the encoder {folder}: {error}") from error
        self._mean = mean
        self._local = threading.local()

    def run(self, ids: Sequence[Sequence[int]]) -> _Floats:
        """See `models.built_embedder.Network`."""
        lengths = [len(one) for one in ids]
        starts = np.zeros(len(ids) + 1, np.int64)
        np.cumsum(lengths, out=starts[1:])
        count = int(starts[-1])
        room = self._room(count, max(lengths))
        pieces = np.fromiter(itertools.chain.from_iterable(ids), np.int64, count)
        places = np.arange(count) - np.repeat(starts[:-1], lengths)
        np.add(self._words[pieces], self._places[places], out=room.tokens[:count])
        rows: _Floats = encode(starts, self._heads, self._mean, self._weights, room)
        return rows

    def _room(self, tokens: int, longest: int) -> Room:
        """This thread's, if it is large enough."""
        size: tuple[int, int] = getattr(self._local, "size", (0, 0))
        if tokens > size[0] or longest > size[1]:
            self._local.size = size = (max(tokens, size[0]), max(longest, size[1]))
            self._local.room = Room.of(self._weights, self._heads, *size)
        room: Room = self._local.room
        return room


def write_vnni_network(folder: Path, state: State, shape: BertShape) -> None:
    """Fill the folder.  Raises ModelError for what the loops are not made for."""
    d = state["embeddings.word_embeddings.weight"].shape[1]
    w = state["encoder.layer.0.intermediate.dense.weight"].shape[0]
    if d % COLUMNS or w % COLUMNS or (d // shape.heads) % HEAD_COLUMNS:
        raise ModelError(f"{d} columns, {w} activated, {shape.heads} heads: they do not fill the tiles")
    np.save(folder / _PLACES, place_table(state, shape))
    np.save(folder / _WORDS, word_table(state))
    arrays: dict[str, Any] = {**_Packer(state, shape).arrays(), _HEADS: np.array(shape.heads)}
    np.savez(folder / _WEIGHTS, **arrays)


class _Packer:
    def __init__(self, state: State, shape: BertShape) -> None:
        self._state = state
        self._shape = shape
        self._width = state["embeddings.word_embeddings.weight"].shape[1]

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The fields of `Weights`."""
        most = largest_short(self._width)
        late = [layer for layer in range(self._shape.layers) if is_late(layer, self._shape.layers)]
        values = [rounded_columns(self._of(layer, "attention.self.value.weight"), most) for layer in late]
        packed = [_packed(numbers.astype(np.int16), _SHORTS) for numbers, _ in values]
        norm = "embeddings.LayerNorm."
        return {
            "first_gain": self._state[f"{norm}weight"][None],
            "first_shift": self._state[f"{norm}bias"][None],
            **self._product("mixed", self._mixed, self._mixed_bias),
            "values": np.array(packed, np.int16).reshape(len(late), self._width**2),
            "value_scales": np.array([scales for _, scales in values], np.float32).reshape(
                len(late), self._width
            ),
            "value_most": np.array([most], np.float32),
            **self._product("out", self._reader("attention.output.dense.weight"), self._out_bias),
            **self._norm("out", "attention.output.LayerNorm"),
            **self._dense("wide", "intermediate.dense"),
            **self._dense("narrow", "output.dense"),
            **self._norm("narrow", "output.LayerNorm"),
            "epsilon": np.array([self._shape.layer_norm_eps], np.float32),
        }

    def _of(self, layer: int, name: str) -> _Floats:
        return self._state[f"encoder.layer.{layer}.{name}"]

    def _reader(self, name: str) -> Callable[[int], _Floats]:
        return lambda layer: self._of(layer, name)

    def _stacked(self, read: Callable[[int], _Floats]) -> _Floats:
        return np.stack([read(layer) for layer in range(self._shape.layers)]).astype(np.float32)

    def _mixed(self, layer: int) -> _Floats:
        query, key, value = (self._of(layer, f"attention.self.{part}.weight") for part in _MIXED)
        return np.concatenate([query * self._query_scale(), key, value])

    def _mixed_bias(self, layer: int) -> _Floats:
        """That of keys is the same for all scores of a query; that of values is part of `_out_bias`."""
        query = self._of(layer, "attention.self.query.bias") * self._query_scale()
        return np.concatenate([query, np.zeros(2 * self._width, np.float32)])

    def _query_scale(self) -> np.float32:
        return np.float32((self._width // self._shape.heads) ** -0.5)

    def _out_bias(self, layer: int) -> _Floats:
        return value_bias(self._state, f"encoder.layer.{layer}.")

    def _dense(self, field: str, name: str) -> dict[str, NDArray[Any]]:
        return self._product(field, self._reader(f"{name}.weight"), self._reader(f"{name}.bias"))

    def _norm(self, field: str, name: str) -> dict[str, NDArray[Any]]:
        return {
            f"{field}_gain": self._stacked(self._reader(f"{name}.weight")),
            f"{field}_shift": self._stacked(self._reader(f"{name}.bias")),
        }

    def _product(
        self, field: str, weight: Callable[[int], _Floats], bias: Callable[[int], _Floats]
    ) -> dict[str, NDArray[Any]]:
        rounded = [rounded_columns(weight(layer), LARGEST) for layer in range(self._shape.layers)]
        return {
            field: np.stack([_packed(numbers.astype(np.int8), _BYTES) for numbers, _ in rounded]),
            f"{field}_zeros": np.stack([ZERO * numbers.sum(axis=0) for numbers, _ in rounded]).astype(
                np.int32
            ),
            f"{field}_scales": np.stack([scales for _, scales in rounded]),
            f"{field}_bias": self._stacked(bias),
        }


def _packed(numbers: NDArray[Any], a_step: int) -> NDArray[Any]:
    """(k, n) as tiles read it, flat: a_step numbers of each of COLUMNS columns, then their next ones."""
    k, n = numbers.shape
    return numbers.reshape(k // a_step, a_step, n // COLUMNS, COLUMNS).transpose(2, 0, 3, 1).ravel()


def _placed(array: NDArray[Any]) -> NDArray[Any]:
    found = aligned_zeros(array.shape, array.dtype.type)
    found[...] = array
    return found
