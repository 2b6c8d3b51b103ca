"""Rounding to bfloat16: nearest values, and kernels whose sums stay."""

from __future__ import annotations

import numpy as np

from featx.extractor.engines.openvino.rewrites.rounding import diffuse_to_bfloat16, to_bfloat16


def test_to_bfloat16_keeps_eight_bits_and_breaks_ties_to_even() -> None:
    values = np.array([1.0, 1.0 + 2**-8, 1.0 + 3 * 2**-8, -(1 + 2**-9), 0.0], np.float32)
    expected = np.array([1.0, 1.0, 1.0 + 2**-6, -1.0, 0.0], np.float32)
    np.testing.assert_array_equal(to_bfloat16(values), expected)


def test_diffused_kernels_are_bfloat16_values_near_the_given_ones() -> None:
    kernels = np.random.default_rng(0).standard_normal((64, 25)).astype(np.float32)
    rounded = diffuse_to_bfloat16(kernels)
    np.testing.assert_array_equal(rounded, to_bfloat16(rounded))
    assert np.abs(rounded - kernels).max() < 2**-6


def test_diffused_kernels_keep_their_sums_better_than_nearest_rounding() -> None:
    kernels = np.random.default_rng(1).standard_normal((256, 9)).astype(np.float32)
    sums = kernels.sum(axis=1)
    diffused = np.abs(diffuse_to_bfloat16(kernels).sum(axis=1) - sums).mean()
    nearest = np.abs(to_bfloat16(kernels).sum(axis=1) - sums).mean()
    assert diffused < nearest / 5
