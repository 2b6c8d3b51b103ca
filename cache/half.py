"""float16 to float32 in whole passes over memory: NumPy converts one number after the other."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

EXPONENT_SHIFT = 13
"""float32 has 13 bits of mantissa more than float16."""
SIGN_AND_NUMBER = np.int32(-0x70002000)
"""Bits 0x8fffe000: the sign, five bits of exponent, ten of mantissa."""
BIAS = np.float32(2.0**112)
"""The exponents' biases are 127 and 15."""


def widen(X: NDArray[np.float16], out: NDArray[np.float32]) -> NDArray[np.float32]:
    """Write finite numbers into ``out``, of the same shape, and return it; exact.

    The bits are moved to where float32 has them, and a product corrects the exponent, which makes
    subnormal numbers normal, too. It is fastest where ``out`` fits the processor's cache.
    """
    bits = out.view(np.int32)
    np.copyto(bits, X.view(np.int16))
    np.left_shift(bits, EXPONENT_SHIFT, out=bits)
    np.bitwise_and(bits, SIGN_AND_NUMBER, out=bits)
    return np.multiply(out, BIAS, out=out)
