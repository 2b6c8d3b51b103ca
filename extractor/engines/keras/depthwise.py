"""Depthwise convolution as a sum of shifted maps, which XLA makes one operation."""

from __future__ import annotations

from typing import Any

from ..keras_import import import_keras


def shifted_depthwise(
    inputs: Any, kernel: Any, strides: tuple[int, int], padding: str, dilation: tuple[int, int]
) -> Any:
    """Return the depthwise convolution of maps; products are summed in float32.

    Each position of the kernel is a slice of the padded input times one number a channel. XLA
    fuses all of them with the bias and activation that follow, forward and backward, where the
    convolution itself is a call of its own.

    Parameters
    ----------
    inputs : tensor, shape (n, height, width, channels)
    kernel : tensor, shape (k_height, k_width, channels, 1)
    strides, dilation : (int, int)
    padding : 'valid' or 'same'

    Returns
    -------
    tensor, shape (n, out_height, out_width, channels)
        In the number format of ``inputs``.
    """
    ops = import_keras().ops
    size = tuple((k - 1) * step + 1 for k, step in zip(kernel.shape[:2], dilation, strict=True))
    sides = inputs.shape[1:3]
    if padding == "same":
        missing = [
            max((-(-side // stride) - 1) * stride + k - side, 0)
            for side, stride, k in zip(sides, strides, size, strict=True)
        ]
        pads = [(n // 2, n - n // 2) for n in missing]
        inputs = ops.pad(inputs, [(0, 0), *pads, (0, 0)])
        sides = inputs.shape[1:3]
    spans = [
        (side - k) // stride * stride + 1
        for side, stride, k in zip(sides, strides, size, strict=True)
    ]
    total = None
    for i in range(kernel.shape[0]):
        for j in range(kernel.shape[1]):
            top, left = i * dilation[0], j * dilation[1]
            rows = slice(top, top + spans[0], strides[0])
            columns = slice(left, left + spans[1], strides[1])
            taken = ops.cast(inputs[:, rows, columns], "float32")
            part = taken * ops.cast(kernel[i, j, :, 0], "float32")
            total = part if total is None else total + part
    return ops.cast(total, inputs.dtype)
