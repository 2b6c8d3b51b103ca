"""Rounding to bfloat16."""

from __future__ import annotations

import numpy as np

from featx.extractor.bfloat16 import to_bfloat16


def test_to_bfloat16_rounds_to_even():
    exact = np.array([1, 1 + 2**-8, 1 + 3 * 2**-8, -3.0e38, 0], np.float32)
    expected = np.array([1, 1, 1 + 2**-6, -3.0e38, 0], np.float32)
    np.testing.assert_allclose(to_bfloat16(exact), expected, rtol=2**-9)
    assert to_bfloat16(exact)[1] == 1
    assert not (to_bfloat16(exact).view(np.uint32) & 0xFFFF).any()
