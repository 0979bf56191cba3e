"""What is made of a BERT encoder's tensors, whatever computes with them afterwards."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "LARGEST",
    "LEAST_SCALE",
    "ZERO",
    "BertShape",
    "State",
    "is_late",
    "place_table",
    "rounded_columns",
    "value_bias",
    "word_table",
]

LARGEST = 127  # of a symmetric 8-bit number
ZERO = 128  # what stands for 0 where 8-bit numbers are unsigned: instructions multiply unsigned by signed
LEAST_SCALE = 1e-9  # a token or column of zeros must not divide by zero

# What the values of attention are made from in the last third of the layers is not rounded to 8 bits. Nothing
# else that can be spared brings as much: for multilingual-e5-small it takes four tenths off the distance to
# the exact vectors, for a twentieth of the time. Queries and keys bring nothing.
_LATE_SHARE = 2 / 3

State = Mapping[str, NDArray[np.float32]]
"""The tensors of a transformers `BertModel` or `XLMRobertaModel` by their names."""


class BertShape(NamedTuple):
    """What the weights do not say. first_position: row of the position table that the first token gets."""

    layers: int
    heads: int
    layer_norm_eps: float
    first_position: int = 0


def is_late(layer: int, layers: int) -> bool:
    """Whether what the values of attention are made from is not rounded to 8 bits."""
    return layer >= layers * _LATE_SHARE


def word_table(state: State) -> NDArray[np.float16]:
    """(words, d). Half precision rounds a weight by a two-thousandth, and halves most of a model's bytes."""
    return state["embeddings.word_embeddings.weight"].astype(np.float16)


def place_table(state: State, shape: BertShape) -> NDArray[np.float32]:
    """(positions, d), from the first token's on; the one token type is added."""
    table: NDArray[np.float32] = state["embeddings.position_embeddings.weight"][shape.first_position :]
    only_type: NDArray[np.float32] = state["embeddings.token_type_embeddings.weight"][0]
    return table + only_type


def value_bias(state: State, at: str) -> NDArray[np.float32]:
    """(d,): what the product after attention adds, the bias of the values included. at: the layer's prefix.

    That goes through attention unchanged, since its weights sum to 1, and is added once.
    """
    out: NDArray[np.float32] = state[f"{at}attention.output.dense.weight"]
    return state[f"{at}attention.output.dense.bias"] + out @ state[f"{at}attention.self.value.bias"]


def rounded_columns(
    weight: NDArray[np.float32], largest: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The transposed weight, (k, n), as whole numbers up to the largest, and what makes it of their products.

    The latter, (n,), is divided by the largest twice: a token's scale is that of its largest number, and not
    of a step of them.
    """
    columns = np.ascontiguousarray(weight.T)
    scales = np.maximum(np.abs(columns).max(axis=0), LEAST_SCALE) / largest
    return np.rint(columns / scales), (scales / largest).astype(np.float32)
