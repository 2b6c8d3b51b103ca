"""The classifier two-sample test."""

from __future__ import annotations

import numpy as np
import pytest

from featx.classifiers.comparison.drift.two_sample import two_sample_test


def normal(n: int, seed: int, shift: float = 0.0, spread: float = 1.0) -> np.ndarray:
    return np.random.default_rng(seed).normal(shift, spread, (n, 8))


def test_equal_distributions_are_rarely_told_apart() -> None:
    p_values = [two_sample_test(normal(60, i), normal(40, 100 + i)).p_value for i in range(20)]
    assert sum(p <= 0.05 for p in p_values) <= 3
    assert np.mean(p_values) > 0.3


@pytest.mark.parametrize(("shift", "spread"), [(0.8, 1.0), (0.0, 2.0)])
def test_a_shift_and_a_spread_are_found(shift: float, spread: float) -> None:
    tested = two_sample_test(normal(150, 0), normal(100, 1, shift, spread))
    assert tested.p_value == 1 / 200 and tested.auc > 0.8


def test_more_rows_make_a_small_difference_sure_but_no_larger() -> None:
    few, many = (two_sample_test(normal(n, 0), normal(n, 1, 0.1)) for n in (100, 3000))
    assert many.p_value == 1 / 200 and few.p_value > many.p_value
    assert 0.5 < many.auc < 0.65
