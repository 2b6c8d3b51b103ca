"""Depthwise convolution as a sum of shifted maps."""

from __future__ import annotations

import numpy as np
import pytest

from featx.extractor.engines.keras.depthwise import shifted_depthwise


@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize(("stride", "dilation"), [(1, 1), (2, 1), (3, 1), (1, 2)])
@pytest.mark.parametrize("k", [1, 3, 5])
@pytest.mark.parametrize("side", [9, 12])
def test_the_sum_of_shifted_maps_is_the_convolution(
    side: int, k: int, stride: int, dilation: int, padding: str
) -> None:
    from keras import ops

    rng = np.random.default_rng(side + k)
    maps = rng.normal(size=(2, side, side + 1, 6)).astype(np.float32)
    kernel = rng.normal(size=(k, k, 6, 1)).astype(np.float32)
    expected = ops.depthwise_conv(
        maps,
        kernel,
        strides=stride,
        padding=padding,
        dilation_rate=dilation,
        data_format="channels_last",
    )
    inputs, kernels = ops.convert_to_tensor(maps), ops.convert_to_tensor(kernel)
    mine = shifted_depthwise(inputs, kernels, (stride, stride), padding, (dilation, dilation))
    expected = ops.convert_to_numpy(expected)
    assert mine.shape == expected.shape
    assert ops.convert_to_numpy(mine) == pytest.approx(expected, abs=1e-4)
