"""The ONNX graph of a BERT encoder, written by hand, with int8 multiplications that no company changes.

The usual dynamic quantisation scales a whole batch by its largest number, so that a text's vector depends on
the texts beside it (and on the padding), and a single outlier coarsens all others. Here every token has a
scale of its own, and every column of a weight matrix; integers are summed exactly. A pass holds texts of
exactly one length: there is no padding, and no mask. Pooling is left to the caller, since the runtime's mean
sums in an order that depends on the batch.

Operators of the domain com.microsoft are ONNX Runtime's own. `models.onnx_build` feeds this with a loaded
model and does not believe the result before it has compared it.
"""

import importlib
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.bert_state import (
    LARGEST,
    LEAST_SCALE,
    ZERO,
    BertShape,
    State,
    is_late,
    place_table,
    rounded_columns,
    value_bias,
    word_table,
)

__all__ = ["Precision", "bert_graph"]

Precision = Literal["float32", "int8", "int8-wide"]
"""int8-wide: weights as unsigned numbers, for processors whose fast signed kernels saturate."""

_OPSET = 21
_IR_VERSION = 10  # what opset 21 came with: a runtime need not be newer than the model
_RUNTIME_DOMAIN = "com.microsoft"
_GELU_DEPTH = 0.17  # the activation goes no further below zero

_Array = NDArray[Any]


def bert_graph(state: State, shape: BertShape, precision: Precision) -> Any:
    """An `onnx.ModelProto` with the input `ids`, (texts, tokens) int64, and the output `tokens`, (texts,
    tokens, d) float32: the last hidden state.
    """
    return _Writer(state, shape, precision).write()


class _Exact(NamedTuple):
    """numbers: (tokens, k) float32, to be multiplied as they are."""

    numbers: str


class _Quantised(NamedTuple):
    """numbers: (tokens, k) uint8 about 128; scale: (tokens, 1) float32, the largest of each token or more."""

    numbers: str
    scale: str


class _Writer:
    def __init__(self, state: State, shape: BertShape, precision: Precision) -> None:
        self._onnx: Any = importlib.import_module("onnx")
        self._state = state
        self._shape = shape
        self._precision = precision
        self._width = int(state["embeddings.word_embeddings.weight"].shape[1])
        self._nodes: list[Any] = []
        self._constants: dict[str, Any] = {}
        self._zeros = ""  # (tokens,) uint8: the 0 of each token

    def write(self) -> Any:
        by_token = self._constant(np.array([-1, self._width]))
        ids_shape = self._op("Shape", ["ids"])
        by_text = self._op("Concat", [ids_shape, self._constant(np.array([self._width]))], axis=0)
        tokens = self._op("Reshape", [self._embeddings(ids_shape), by_token])
        count = self._op("Shape", [tokens], end=1)
        self._zeros = self._op("Expand", [self._constant(np.array([ZERO], np.uint8)), count])
        for layer in range(self._shape.layers):
            late = is_late(layer, self._shape.layers)
            tokens = self._layer(tokens, f"encoder.layer.{layer}.", by_text, by_token, late=late)
        self._nodes.append(self._node("Reshape", [tokens, by_text], "tokens"))
        return self._model()

    def _model(self) -> Any:
        make, kinds = self._onnx.helper, self._onnx.TensorProto
        graph = make.make_graph(
            self._nodes,
            "encoder",
            [make.make_tensor_value_info("ids", kinds.INT64, ["texts", "length"])],
            [make.make_tensor_value_info("tokens", kinds.FLOAT, ["texts", "length", self._width])],
            list(self._constants.values()),
        )
        opsets = [make.make_opsetid("", _OPSET), make.make_opsetid(_RUNTIME_DOMAIN, 1)]
        return make.make_model(graph, opset_imports=opsets, ir_version=_IR_VERSION)

    def _embeddings(self, ids_shape: str) -> str:
        """(texts, tokens, d): word, position and the one token type, normalised."""
        words = self._constant(word_table(self._state))
        found = self._op("Cast", [self._op("Gather", [words, "ids"])], to=self._onnx.TensorProto.FLOAT)
        places = self._constant(place_table(self._state, self._shape))
        length = self._op("Gather", [ids_shape, self._constant(np.array([1]))])
        used = self._op("Slice", [places, self._constant(np.array([0])), length])
        return self._normalised(self._op("Add", [found, used]), "embeddings.LayerNorm.")

    def _layer(self, tokens: str, at: str, by_text: str, by_token: str, *, late: bool) -> str:
        attended = self._op("Reshape", [self._attention(tokens, at, by_text, exact=late), by_token])
        out = self._state[f"{at}attention.output.dense.weight"]
        bias = self._constant(value_bias(self._state, at))
        mixed = self._op("Add", [self._product(self._read(attended), out), bias])
        tokens = self._normalised(self._op("Add", [mixed, tokens]), f"{at}attention.output.LayerNorm.")
        wide = self._product(self._read(tokens), self._state[f"{at}intermediate.dense.weight"])
        # By the tangent takes less time, and is as near where numbers are rounded anyway.
        kind = "BiasGelu" if self._precision == "float32" else "FastGelu"
        wide = self._op(kind, [wide, self._weight(f"{at}intermediate.dense.bias")], _RUNTIME_DOMAIN)
        read = self._read(wide, depth=_GELU_DEPTH)
        narrow = self._product(read, self._state[f"{at}output.dense.weight"])
        narrow = self._op("Add", [narrow, self._weight(f"{at}output.dense.bias")])
        return self._normalised(self._op("Add", [narrow, tokens]), f"{at}output.LayerNorm.")

    def _attention(self, tokens: str, at: str, by_text: str, *, exact: bool) -> str:
        """(texts, tokens, d). exact: what values are made from is not rounded.

        The bias of the keys is left out: it adds the same to all scores of a query, which softmax ignores.
        """
        weights = [self._state[f"{at}attention.self.{part}.weight"] for part in ("query", "key", "value")]
        read = self._read(tokens)
        if exact:
            made = [*self._products(read, weights[:2]), self._product(_Exact(tokens), weights[2])]
        else:
            made = self._products(read, weights)
        parts = [self._op("Reshape", [one, by_text]) for one in made]
        query = self._state[f"{at}attention.self.query.bias"]
        bias = self._constant(np.concatenate([query, np.zeros(2 * self._width, np.float32)]))
        return self._op("MultiHeadAttention", [*parts, bias], _RUNTIME_DOMAIN, num_heads=self._shape.heads)

    def _normalised(self, tokens: str, at: str) -> str:
        return self._op(
            "LayerNormalization",
            [tokens, self._weight(f"{at}weight"), self._weight(f"{at}bias")],
            axis=-1,
            epsilon=self._shape.layer_norm_eps,
        )

    def _products(self, read: "_Exact | _Quantised", weights: Sequence[NDArray[np.float32]]) -> list[str]:
        """`_product` with each of some weights: all in one, which takes less time."""
        product = self._product(read, np.concatenate(weights))
        outputs = [f"{product}_{number}" for number in range(len(weights))]
        make = self._onnx.helper.make_node
        self._nodes.append(make("Split", [product], outputs, axis=1, num_outputs=len(weights)))
        return outputs

    def _product(self, read: "_Exact | _Quantised", weight: NDArray[np.float32]) -> str:
        """(tokens, n): tokens times the transposed weight, which is (n, k) as torch keeps it."""
        if isinstance(read, _Exact):
            return self._op("MatMul", [read.numbers, self._constant(weight.T)])
        rounded, scales = rounded_columns(weight, LARGEST)
        numbers: _Array = rounded.astype(np.int8)
        zero: _Array = np.zeros(numbers.shape[1], np.int8)
        if self._precision == "int8-wide":
            numbers, zero = (_unsigned(numbers), _unsigned(zero))
        summed = self._op(
            "MatMulIntegerToFloat",
            [
                read.numbers,
                self._constant(numbers),
                self._scalar(1.0),
                self._constant(scales),
                self._constant(np.array(ZERO, np.uint8)),
                self._constant(zero),
            ],
            _RUNTIME_DOMAIN,
        )
        return self._op("Mul", [summed, read.scale])

    def _read(self, tokens: str, *, depth: float = 0.0) -> "_Exact | _Quantised":
        """What is to be multiplied: where the precision says so, each token as 8-bit numbers of its largest.

        depth: how far numbers may lie below zero, where that is known to be little: they need not be looked
        at then.
        """
        if self._precision == "float32":
            return _Exact(tokens)
        columns = self._constant(np.array([1]))
        sizes = tokens if depth else self._op("Abs", [tokens])
        largest = self._op("ReduceMax", [sizes, columns], keepdims=1)
        largest = self._op("Max", [largest, self._scalar(depth or LEAST_SCALE)])
        units = self._op("Squeeze", [self._op("Mul", [largest, self._scalar(1.0 / LARGEST)]), columns])
        return _Quantised(self._op("QuantizeLinear", [tokens, units, self._zeros], axis=0), largest)

    def _weight(self, name: str) -> str:
        return self._constant(self._state[name])

    def _scalar(self, value: float) -> str:
        return self._constant(np.array(value, np.float32))

    def _constant(self, values: _Array) -> str:
        """The name of a constant; small ones that are equal share one."""
        small = f"{values.dtype}{values.tolist()}" if values.size <= 2 else f"weights{len(self._constants)}"
        if small not in self._constants:
            self._constants[small] = self._onnx.numpy_helper.from_array(np.ascontiguousarray(values), small)
        return small

    def _op(self, kind: str, inputs: Sequence[str], domain: str = "", **attributes: Any) -> str:
        output = f"{kind}{len(self._nodes)}"
        self._nodes.append(self._node(kind, inputs, output, domain, **attributes))
        return output

    def _node(
        self, kind: str, inputs: Sequence[str], output: str, domain: str = "", **attributes: Any
    ) -> Any:
        return self._onnx.helper.make_node(kind, inputs, [output], domain=domain, **attributes)


def _unsigned(numbers: _Array) -> _Array:
    return (numbers.astype(np.int16) + ZERO).astype(np.uint8)
