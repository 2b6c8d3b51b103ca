"""Products in bfloat16 units."""

from __future__ import annotations

import numpy as np
import pytest

from featx.classifiers.heads.matmul.bf16_matmul import (
    Bf16Product,
    multiplies_bfloat16,
)

bfloat16 = pytest.mark.skipif(not multiplies_bfloat16(), reason="no faster bfloat16 here")


@bfloat16
@pytest.mark.parametrize(("is_split", "error"), [(False, 2**-8), (True, 2**-16)])
def test_products_keep_to_their_error(is_split, error):
    rng = np.random.default_rng(0)
    left = rng.standard_normal((700, 96), np.float32)
    right = rng.standard_normal((50, 96), np.float32)
    found = Bf16Product(right, is_split).into(left, np.empty((700, 50), np.float32))
    bound = np.abs(left).astype(np.float64) @ np.abs(right).T
    assert (np.abs(found - left.astype(np.float64) @ right.T) <= error * bound).all()
