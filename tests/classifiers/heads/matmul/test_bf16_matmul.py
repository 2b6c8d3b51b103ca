"""Products in bfloat16 units, and the rounding to bfloat16."""

from __future__ import annotations

import numpy as np
import pytest

from featx.classifiers.heads.matmul.bf16_matmul import (
    Bf16Product,
    multiplies_bfloat16,
    nearest_bfloat16,
)

bfloat16 = pytest.mark.skipif(not multiplies_bfloat16(), reason="no faster bfloat16 here")


def test_nearest_bfloat16_rounds_to_even():
    exact = np.array([1, 1 + 2**-8, 1 + 3 * 2**-8, -3.0e38, 0], np.float32)
    expected = np.array([1, 1, 1 + 2**-6, -3.0e38, 0], np.float32)
    np.testing.assert_allclose(nearest_bfloat16(exact), expected, rtol=2**-9)
    assert nearest_bfloat16(exact)[1] == 1
    assert not (nearest_bfloat16(exact).view(np.uint32) & 0xFFFF).any()


@bfloat16
@pytest.mark.parametrize(("is_split", "error"), [(False, 2**-8), (True, 2**-16)])
def test_products_keep_to_their_error(is_split, error):
    rng = np.random.default_rng(0)
    left = rng.standard_normal((700, 96), np.float32)
    right = rng.standard_normal((50, 96), np.float32)
    found = Bf16Product(right, is_split).into(left, np.empty((700, 50), np.float32))
    bound = np.abs(left).astype(np.float64) @ np.abs(right).T
    assert (np.abs(found - left.astype(np.float64) @ right.T) <= error * bound).all()
