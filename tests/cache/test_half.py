"""Widening is NumPy's conversion, for every finite number."""

from __future__ import annotations

import numpy as np

from featx.cache.half import widen


def test_every_finite_number_is_exact() -> None:
    every = np.arange(1 << 16, dtype=np.uint32).astype(np.uint16).view(np.float16)
    finite = every[np.isfinite(every)].reshape(-1, 2)
    out = np.full(finite.shape, np.nan, np.float32)
    assert widen(finite, out) is out
    np.testing.assert_array_equal(out.view(np.uint32), finite.astype(np.float32).view(np.uint32))
    np.testing.assert_array_equal(widen(finite[::-3], out[::-3]), finite[::-3].astype(np.float32))
