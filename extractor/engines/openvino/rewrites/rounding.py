"""Rounding depthwise kernels to bfloat16 so that their sums stay.

bfloat16 keeps 8 bits of each weight. In an ordinary convolution the errors of hundreds of inputs
average out. A depthwise kernel has only 9 or 25 weights for a channel, and the sum of their errors
changes that channel's gain in every image. Error diffusion rounds the weights one after the other,
largest first, and adds the error so far to each. It keeps every kernel's sum to within half a step
of its smallest weight, and costs no time when the network runs.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ....bfloat16 import to_bfloat16


def diffuse_to_bfloat16(kernels: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return ``kernels`` ``(n, k)`` as bfloat16 values whose sums over ``k`` stay, as float32."""
    order = np.argsort(-np.abs(kernels), axis=1, kind="stable")
    descending = np.take_along_axis(kernels, order, axis=1)
    rounded = np.empty_like(descending)
    error = np.zeros(len(kernels), np.float32)
    for column in range(kernels.shape[1]):
        wanted = descending[:, column] + error
        rounded[:, column] = to_bfloat16(wanted)
        error = wanted - rounded[:, column]
    result = np.empty_like(rounded)
    np.put_along_axis(result, order, rounded, axis=1)
    return result
