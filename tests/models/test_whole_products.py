"""Products of whole numbers."""

import numpy as np
import pytest

from models.errors import ModelError
from models.whole_products import ZERO, whole_products


def test_products_are_exact_at_the_ends_of_the_range() -> None:
    left = np.zeros((5, 132), dtype=np.uint8)
    left[1], left[2] = 127, ZERO
    left[3, ::2] = 127
    left[4] = np.arange(132) % 128
    right = np.full((132, 3), 127, dtype=np.int8)
    right[:, 1] = -127
    right[:, 2] = np.arange(132) - 66
    exact = (left.astype(np.int64) - ZERO) @ right.astype(np.int64)
    assert whole_products(left, right).tolist() == exact.tolist()


def test_shapes_that_do_not_fit_are_an_error() -> None:
    with pytest.raises(ModelError):
        whole_products(np.zeros((2, 8), dtype=np.uint8), np.zeros((7, 3), dtype=np.int8))
