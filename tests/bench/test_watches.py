"""The figures of the bench of watches, on streams small enough to count by hand."""

import numpy as np
import pytest

from tests.bench.watches import Found, shares


def test_shares_are_means_over_watches() -> None:
    first = Found(np.array([0.9, 0.5, 0.1, 0.4]), np.array([True, False, True, False]))
    second = Found(np.array([0.1, 0.1, 0.1, 0.8]), np.array([False, False, False, True]))
    share = shares([first, second], 0.45)
    assert share.precision == pytest.approx((1 / 2 + 1) / 2)
    assert share.recall == pytest.approx((1 / 2 + 1) / 2)
    assert share.false_per_thousand == pytest.approx((250 + 0) / 2)


def test_a_watch_that_finds_nothing_has_no_precision() -> None:
    found = Found(np.array([0.1]), np.array([True]))
    assert np.isnan(shares([found], 0.5).precision)
    assert shares([found], 0.5).recall == 0
