"""The compiled loops of the encoder, against what they approximate."""

import math

import numpy as np
import pytest

from models import vnni_bert
from models.bert_state import ZERO
from models.cache_lines import aligned_zeros
from models.instructions import can_multiply_bytes
from models.vnni_bert import largest_short

pytestmark = pytest.mark.skipif(not can_multiply_bytes(), reason="the processor has no AVX-512 VNNI")


def test_products_of_bytes_are_exact_up_to_the_largest() -> None:
    rng = np.random.default_rng(1)
    rows, depth, columns = 7, 256, 128
    left = aligned_zeros((rows + 8, depth), np.uint8)
    left[:rows] = rng.integers(0, 256, (rows, depth))
    left[0] = 255
    right = rng.integers(-127, 128, (depth, columns)).astype(np.int8)
    right[:, 0] = 127
    packed = aligned_zeros((right.size,), np.int8)
    packed[:] = right.reshape(depth // 4, 4, columns // 64, 64).transpose(2, 0, 3, 1).ravel()
    sums = aligned_zeros(((rows + 8) * columns,), np.int32)
    vnni_bert._multiply(left, packed, sums, rows)
    expected = left[:rows].astype(np.int64) @ right.astype(np.int64)
    assert np.array_equal(sums[: rows * columns].reshape(rows, columns), expected)


def test_the_activation_is_near_and_rounded_to_a_127th_of_its_largest() -> None:
    x = np.linspace(-9, 9, 1_024, dtype=np.float32)
    exact = np.array([one * (1 + math.erf(one / math.sqrt(2))) / 2 for one in x.tolist()])
    numbers, out = x.copy(), np.empty(len(x), np.uint8)
    largest = vnni_bert._activate(numbers, out)
    assert np.abs(numbers - exact).max() < 2.5e-4
    assert largest == numbers.max()
    assert np.abs((out.astype(int) - ZERO) * (largest / 127) - numbers).max() <= largest / 254 * 1.001


@pytest.mark.parametrize("size", [0.0, 1e-12, 0.01, 1.0, 1e6])
def test_rounding_keeps_every_number_within_half_a_step(size: float) -> None:
    numbers = (size * np.random.default_rng(3).standard_normal(384)).astype(np.float32)
    out = np.empty(len(numbers), np.uint8)
    largest = vnni_bert._to_bytes(numbers, out)
    assert largest == max(np.float32(1e-9), np.abs(numbers).max())
    assert np.abs((out.astype(int) - ZERO) * (largest / 127) - numbers).max() <= largest / 254 * 1.001


def test_attention_is_softmax_however_long_the_text() -> None:
    rng = np.random.default_rng(4)
    heads, d = 2, 64
    for length in (1, 3, 8, 15, 16, 17, 33, 200):
        room = vnni_bert.Room(
            **{
                **dict.fromkeys(vnni_bert.Room._fields, np.empty(0, np.float32)),
                "tokens": aligned_zeros((length + 8, d), np.float32),
                "mixed": aligned_zeros((length + 8, 3 * d), np.float32),
                "attended": aligned_zeros((length + 8, d), np.float32),
                "turned": aligned_zeros((32 * (length + 16),), np.float32),
                "scores": aligned_zeros(((length + 24) * (length + 24),), np.float32),
                "inverses": aligned_zeros((16,), np.float32),
                "bytes": np.empty((0, 0), np.uint8),
                "wide_bytes": np.empty((0, 0), np.uint8),
                "sums": np.empty(0, np.int32),
                "shorts": np.empty((0, 0), np.int16),
            }
        )
        room.mixed[:length] = 3 * rng.standard_normal((length, 3 * d))
        room.mixed[length:] = np.nan  # of the text that comes next, if any
        vnni_bert._attend(0, length, heads, room)
        for head in range(heads):
            query, key, value = (room.mixed[:length, at + 32 * head :][:, :32] for at in (0, d, 2 * d))
            scores = query.astype(np.float64) @ key.T
            weights = np.exp(scores - scores.max(axis=1, keepdims=True))
            expected = weights / weights.sum(axis=1, keepdims=True) @ value
            np.testing.assert_allclose(
                room.attended[:length, 32 * head :][:, :32], expected, rtol=2e-4, atol=2e-4
            )


@pytest.mark.parametrize("columns", [64, 384, 768, 1024])
def test_sums_of_shorts_fit(columns: int) -> None:
    most = largest_short(columns)
    assert columns * most**2 < 2**31
    assert most > 1_000
