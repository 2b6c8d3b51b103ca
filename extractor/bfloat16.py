"""Rounding to bfloat16, for all that prepares numbers for the processor's bfloat16 units."""

from __future__ import annotations

import numpy as np
from ml_dtypes import bfloat16
from numpy.typing import NDArray


def to_bfloat16(
    values: NDArray[np.float32], out: NDArray[np.float32] | None = None
) -> NDArray[np.float32]:
    """Return the nearest bfloat16 of each value as float32; ties go to the even one."""
    result = np.empty(values.shape, np.float32) if out is None else out
    result[...] = values.astype(bfloat16)
    return result
