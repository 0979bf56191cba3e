"""A BERT encoder as compiled loops around products of 8-bit numbers.

What `models.bert_graph` writes for ONNX Runtime, in one call without Python: every token has a scale of its
own, and sums of whole numbers are exact, so that the vector of a text is the same in any company. Here the
steps between two products are one loop instead of a pass over memory each, products are cut so that what they
read stays in the processor's cache, and texts of any lengths go together: only attention tells them apart.

Gaussian error linear units (Hendrycks and Gimpel, arXiv:1606.08415) go by a polynomial.
"""

import math
from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from models.bert_state import LARGEST, LEAST_SCALE, ZERO
from models.cache_lines import aligned_zeros
from models.instructions import (
    LANES,
    as_bits,
    as_number,
    byte_tile,
    score_tile,
    short_tile,
    soften,
    value_tile,
)

__all__ = [
    "COLUMNS",
    "HEAD_COLUMNS",
    "SPARE_ROWS",
    "Room",
    "Weights",
    "encode",
    "largest_short",
]

COLUMNS = 64  # that a tile of whole numbers computes: what all widths are multiples of
HEAD_COLUMNS = 32  # that a tile of values computes: what the width of a head is a multiple of
SPARE_ROWS = 8  # behind the last one: tiles have several rows

_ROWS = 4  # of a tile of whole numbers, and of values
_SCORE_ROWS = 8  # of a tile of scores
_BLOCK = 64  # tokens that go through the products of a layer together
_FLOAT, _SHORT = 4, 2  # bytes
_STEP = 4 * COLUMNS  # bytes of one step of a tile

_OPTIONS: Any = {"nogil": True, "fastmath": True, "error_model": "numpy", "cache": True}

_f = np.float32
_ONE, _HALF = _f(1.0), _f(0.5)
_ROUND = _f(ZERO + 0.5)  # added before a number is cut off: rounds it, and takes its sign
_SHORT_ROUND, _SHORT_ZERO = _f(32768.5), np.int32(32768)
_LEAST = _f(LEAST_SCALE)
_MOST = _f(LARGEST)
_SIZE = np.int32(0x7FFFFFFF)  # the bits of a number but its sign
# x * Phi(x) as x * (1/2 + c * P(c * c)), c being x cut off at 4: within 0.0002, the least for 7 coefficients.
_END = _f(4.0)
_P0, _P1, _P2 = _f(0.39788336769), _f(-0.06457311142), _f(0.00877238609)
_P3, _P4, _P5, _P6 = _f(-8.14014951e-4), _f(4.79554735e-5), _f(-1.59860056e-6), _f(2.27814164e-8)
_DEPTH = _f(0.1702)  # it goes no further below zero

_Floats = NDArray[np.float32]
_Wholes = NDArray[np.int32]


class Weights(NamedTuple):
    """Of all layers, of which the early ones have values of 8 bits, the late ones of 16.

    d: columns of a token; w: columns that are activated. What is multiplied by is packed as tiles read it,
    all of a layer in one row; each column has a sum that stands for 0, a scale, and a bias. mixed: queries
    (divided by the root of a head's columns), keys, and values, of which only those of early layers are used.
    """

    first_gain: _Floats  # (1, d)
    first_shift: _Floats
    mixed: NDArray[np.int8]  # (layers, 3 * d * d)
    mixed_zeros: _Wholes  # (layers, 3 * d)
    mixed_scales: _Floats
    mixed_bias: _Floats
    values: NDArray[np.int16]  # (late layers, d * d)
    value_scales: _Floats  # (late layers, d)
    value_most: _Floats  # (1,): the largest of the numbers of 16 bits
    out: NDArray[np.int8]  # (layers, d * d)
    out_zeros: _Wholes  # (layers, d)
    out_scales: _Floats
    out_bias: _Floats
    out_gain: _Floats
    out_shift: _Floats
    wide: NDArray[np.int8]  # (layers, d * w)
    wide_zeros: _Wholes  # (layers, w)
    wide_scales: _Floats
    wide_bias: _Floats
    narrow: NDArray[np.int8]  # (layers, w * d)
    narrow_zeros: _Wholes  # (layers, d)
    narrow_scales: _Floats
    narrow_bias: _Floats
    narrow_gain: _Floats
    narrow_shift: _Floats
    epsilon: _Floats  # (1,)


class Room(NamedTuple):
    """What is worked in. t: tokens and SPARE_ROWS; b: of a block; k: of the longest text, in whole LANES."""

    tokens: _Floats  # (t, d): at first, word and position of each
    bytes: NDArray[np.uint8]  # (t, d)
    scales: _Floats  # (t,)
    mixed: _Floats  # (t, 3 * d): queries, keys, values
    attended: _Floats  # (t, d)
    sums: _Wholes  # (b * 3 * d,) or (b * w,)
    activated: _Floats  # (w,)
    wide_bytes: NDArray[np.uint8]  # (b, w)
    shorts: NDArray[np.int16]  # (b, d)
    turned: _Floats  # (columns of a head * k,)
    scores: _Floats  # ((k + SPARE_ROWS) * k,)
    inverses: _Floats  # (LANES,)

    @classmethod
    def of(cls, weights: Weights, heads: int, tokens: int, longest: int) -> "Room":
        """For so many tokens, and so many in the longest text."""
        d, w = weights.out_bias.shape[1], weights.wide_bias.shape[1]
        t, b = tokens + SPARE_ROWS, _BLOCK + SPARE_ROWS
        k = -(-longest // LANES) * LANES
        return cls(
            tokens=aligned_zeros((t, d), np.float32),
            bytes=aligned_zeros((t, d), np.uint8),
            scales=aligned_zeros((t,), np.float32),
            mixed=aligned_zeros((t, 3 * d), np.float32),
            attended=aligned_zeros((t, d), np.float32),
            sums=aligned_zeros((b * max(3 * d, w),), np.int32),
            activated=aligned_zeros((w,), np.float32),
            wide_bytes=aligned_zeros((b, w), np.uint8),
            shorts=aligned_zeros((b, d), np.int16),
            turned=aligned_zeros((d // heads * k,), np.float32),
            scores=aligned_zeros(((k + SPARE_ROWS) * k,), np.float32),
            inverses=aligned_zeros((LANES,), np.float32),
        )


class _Block(NamedTuple):
    """Some tokens in a layer. late: which of the late layers it is, negative in early ones."""

    start: int
    rows: int
    layer: int
    late: int


class _Columns(NamedTuple):
    """What makes numbers of the sums of a token, column by column."""

    zeros: _Wholes
    scales: _Floats
    bias: _Floats


def largest_short(columns: int) -> int:
    """The largest number of which so many products with each other add up to 31 bits."""
    return min(2**15 - 1, math.isqrt((2**31 - 1) // columns))


@njit(**_OPTIONS)
def encode(starts: NDArray[np.int64], heads: int, mean: bool, of: Weights, room: Room) -> _Floats:
    """(texts, d): of each text the mean of its last hidden states, or the first.

    starts: (texts + 1,), where in `room.tokens` they begin, and the end; each has a token at least.
    """
    count, layers = starts[-1], len(of.out_bias)
    for token in range(count):
        _normalise(room.tokens[token], of.first_gain[0], of.first_shift[0], of.epsilon[0])
        room.scales[token] = _to_bytes(room.tokens[token], room.bytes[token])
    for layer in range(layers):
        late = layer - (layers - len(of.values))
        for start in range(0, count, _BLOCK):
            _mix(_Block(start, min(_BLOCK, count - start), layer, late), of, room)
        for text in range(len(starts) - 1):
            _attend(starts[text], starts[text + 1], heads, room)
        for start in range(0, count, _BLOCK):
            _feed(_Block(start, min(_BLOCK, count - start), layer, late), of, room)
    found = np.empty((len(starts) - 1, room.tokens.shape[1]), dtype=np.float32)
    for text in range(len(found)):
        first, end = starts[text], starts[text + 1]
        found[text] = room.tokens[first]
        if mean:
            for token in range(first + 1, end):
                found[text] += room.tokens[token]
            found[text] /= _f(end - first)
    return found


@njit(**_OPTIONS)
def _mix(block: _Block, of: Weights, room: Room) -> None:
    """Queries, keys and values of each token."""
    start, rows, layer, late = block
    d = room.tokens.shape[1]
    width = 3 * d if late < 0 else 2 * d
    _multiply(room.bytes[start:], of.mixed[layer][: width * d], room.sums, rows)
    columns = _Columns(of.mixed_zeros[layer], of.mixed_scales[layer], of.mixed_bias[layer])
    for row in range(rows):
        token = start + row
        sums = room.sums[row * width : (row + 1) * width]
        _scale(sums, room.scales[token], columns, room.mixed[token])
    if late >= 0:
        _mix_values(block, of, room)


@njit(**_OPTIONS)
def _mix_values(block: _Block, of: Weights, room: Room) -> None:
    """The values of each token, from numbers of 16 bits."""
    start, rows, _, late = block
    d = room.tokens.shape[1]
    most = of.value_most[0]
    for row in range(rows):
        token, shorts = room.tokens[start + row], room.shorts[row]
        factor = most / room.scales[start + row]
        for column in range(d):
            shorts[column] = np.int16(np.int32(token[column] * factor + _SHORT_ROUND) - _SHORT_ZERO)
    left, right, out = room.shorts.ctypes.data, of.values[late].ctypes.data, room.sums.ctypes.data
    for column in range(0, d, COLUMNS):
        for row in range(0, rows, _ROWS):
            short_tile(
                left + row * d * _SHORT,
                d * _SHORT,
                2 * _SHORT,
                right + column * d * _SHORT,
                _STEP,
                d // 2,
                out + (row * d + column) * _FLOAT,
                d * _FLOAT,
            )
    scales = of.value_scales[late]
    for row in range(rows):
        values, scale = room.mixed[start + row, 2 * d :], room.scales[start + row]
        for column in range(d):
            values[column] = _f(room.sums[row * d + column]) * (scale * scales[column])


@njit(**_OPTIONS)
def _attend(first: int, end: int, heads: int, room: Room) -> None:
    """What each token of a text takes from all: values, by the softmax of keys and queries, head by head."""
    d, length = room.tokens.shape[1], end - first
    head, blocks = d // heads, -(-length // LANES)
    padded, mixed_step, step = blocks * LANES * _FLOAT, 3 * d * _FLOAT, d * _FLOAT
    turned, scores = room.turned.ctypes.data, room.scores.ctypes.data
    for begin in range(0, d, head):
        keys = room.mixed[first, d + begin :].ctypes.data
        values = room.mixed[first, 2 * d + begin :].ctypes.data
        attended = room.attended[first, begin:].ctypes.data
        _turn(room.mixed[first:end, begin : begin + head], room.turned, blocks * LANES)
        # Keys are rows and queries columns, so that all that softmax adds up lies in one lane.
        for row in range(0, length, _SCORE_ROWS):
            for block in range(blocks):
                score_tile(
                    keys + row * mixed_step,
                    mixed_step,
                    _FLOAT,
                    turned + block * LANES * _FLOAT,
                    padded,
                    head,
                    scores + row * padded + block * LANES * _FLOAT,
                    padded,
                )
        for block in range(0, length, LANES):
            soften(scores + block * _FLOAT, padded, length, room.inverses.ctypes.data)
            rows = min(LANES, length - block)
            for row in range(block, block + rows, _ROWS):
                for column in range(0, head * _FLOAT, HEAD_COLUMNS * _FLOAT):
                    value_tile(
                        scores + row * _FLOAT,
                        _FLOAT,
                        padded,
                        values + column,
                        mixed_step,
                        length,
                        attended + row * step + column,
                        step,
                    )
            for row in range(rows):
                for column in range(begin, begin + head):
                    room.attended[first + block + row, column] *= room.inverses[row]


@njit(**_OPTIONS)
def _turn(rows: _Floats, out: _Floats, step: int) -> None:
    """Rows as columns, step numbers apart."""
    for column in range(rows.shape[1]):
        for row in range(len(rows)):
            out[column * step + row] = rows[row, column]


@njit(**_OPTIONS)
def _feed(block: _Block, of: Weights, room: Room) -> None:
    """All of a layer that comes after attention."""
    start, rows, layer, _ = block
    d, w = room.tokens.shape[1], room.activated.shape[0]
    for token in range(start, start + rows):
        room.scales[token] = _to_bytes(room.attended[token], room.bytes[token])
    _multiply(room.bytes[start:], of.out[layer], room.sums, rows)
    columns = _Columns(of.out_zeros[layer], of.out_scales[layer], of.out_bias[layer])
    for row in range(rows):
        token = start + row
        _add(room.sums[row * d : (row + 1) * d], room.scales[token], columns, room.tokens[token])
        _normalise(room.tokens[token], of.out_gain[layer], of.out_shift[layer], of.epsilon[0])
        room.scales[token] = _to_bytes(room.tokens[token], room.bytes[token])
    _multiply(room.bytes[start:], of.wide[layer], room.sums, rows)
    columns = _Columns(of.wide_zeros[layer], of.wide_scales[layer], of.wide_bias[layer])
    for row in range(rows):
        token = start + row
        _scale(room.sums[row * w : (row + 1) * w], room.scales[token], columns, room.activated)
        room.scales[token] = _activate(room.activated, room.wide_bytes[row])
    _multiply(room.wide_bytes, of.narrow[layer], room.sums, rows)
    columns = _Columns(of.narrow_zeros[layer], of.narrow_scales[layer], of.narrow_bias[layer])
    for row in range(rows):
        token = start + row
        _add(room.sums[row * d : (row + 1) * d], room.scales[token], columns, room.tokens[token])
        _normalise(room.tokens[token], of.narrow_gain[layer], of.narrow_shift[layer], of.epsilon[0])
        room.scales[token] = _to_bytes(room.tokens[token], room.bytes[token])


@njit(**_OPTIONS)
def _multiply(left: NDArray[np.uint8], right: NDArray[np.int8], sums: _Wholes, rows: int) -> None:
    """The first rows of left, times the packed right."""
    depth = left.shape[1]
    columns = len(right) // depth
    for column in range(0, columns, COLUMNS):
        for row in range(0, rows, _ROWS):
            byte_tile(
                left.ctypes.data + row * depth,
                depth,
                _FLOAT,
                right.ctypes.data + column * depth,
                _STEP,
                depth // _FLOAT,
                sums.ctypes.data + (row * columns + column) * _FLOAT,
                columns * _FLOAT,
            )


@njit(**_OPTIONS)
def _scale(sums: _Wholes, scale: np.float32, of: _Columns, out: _Floats) -> None:
    """What the sums of a token stand for."""
    for column in range(len(sums)):
        number = _f(sums[column] - of.zeros[column]) * (scale * of.scales[column])
        out[column] = number + of.bias[column]


@njit(**_OPTIONS)
def _add(sums: _Wholes, scale: np.float32, of: _Columns, token: _Floats) -> None:
    """The same, added to the token."""
    for column in range(len(sums)):
        number = _f(sums[column] - of.zeros[column]) * (scale * of.scales[column])
        token[column] += number + of.bias[column]


@njit(**_OPTIONS)
def _normalise(token: _Floats, gain: _Floats, shift: _Floats, epsilon: np.float32) -> None:
    total, squares = _f(0.0), _f(0.0)
    for column in range(len(token)):
        total += token[column]
    mean = total / _f(len(token))
    for column in range(len(token)):
        off = token[column] - mean
        squares += off * off
    inverse = _ONE / np.sqrt(squares / _f(len(token)) + epsilon)
    for column in range(len(token)):
        token[column] = (token[column] - mean) * inverse * gain[column] + shift[column]


@njit(**_OPTIONS)
def _to_bytes(numbers: _Floats, out: NDArray[np.uint8]) -> np.float32:
    """Round to multiples of a 127th of the largest size, which is returned."""
    most = as_bits(_LEAST)
    for column in range(len(numbers)):  # of whole numbers, compilers find the largest many at a time
        most = max(most, as_bits(numbers[column]) & _SIZE)
    _round(numbers, as_number(most), out)
    return np.float32(as_number(most))


@njit(**_OPTIONS)
def _activate(numbers: _Floats, out: NDArray[np.uint8]) -> np.float32:
    """`_to_bytes` of the activation."""
    for column in range(len(numbers)):
        number = numbers[column]
        cut = min(max(number, -_END), _END)
        y = cut * cut
        slope = _P0 + y * (_P1 + y * (_P2 + y * (_P3 + y * (_P4 + y * (_P5 + y * _P6)))))
        numbers[column] = number * (_HALF + cut * slope)
    most = as_bits(_DEPTH)
    for column in range(len(numbers)):  # what is below zero is no larger, and compares as less
        most = max(most, as_bits(numbers[column]))
    _round(numbers, as_number(most), out)
    return np.float32(as_number(most))


@njit(**_OPTIONS)
def _round(numbers: _Floats, largest: np.float32, out: NDArray[np.uint8]) -> None:
    factor = _MOST / largest
    for column in range(len(numbers)):
        out[column] = np.uint8(np.int32(numbers[column] * factor + _ROUND))
