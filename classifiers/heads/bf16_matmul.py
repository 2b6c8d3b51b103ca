"""Products of float32 matrices in the processor's bfloat16 units, by OpenVINO."""

from __future__ import annotations

from queue import SimpleQueue
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .linear.solver.fast_products import compile_product, multiplies_bfloat16
from .row_blocks import Floats, row_slices

F32 = NDArray[np.float32]
# Fewer multiplications than this are done sooner than a product is compiled.
LARGE = 1 << 32
# Measured: 546 rows at a time take a third longer than 512.
LEFT_ROWS = 512


def is_large(n_rows: int, right: Floats) -> bool:
    """Say whether the product of ``n_rows`` rows with ``right`` takes a noticeable time."""
    return n_rows * right.size >= LARGE


def is_worth_compiling(n_rows: int, right: Floats) -> bool:
    """Say whether products of ``n_rows`` rows with ``right`` are sooner done in bfloat16."""
    return is_large(n_rows, right) and right.dtype == np.float32 and multiplies_bfloat16()


class FastProduct:
    """``left @ right.T`` for one right side; threads may call it side by side.

    With ``is_split``, each number is taken as the sum of two of bfloat16, and the product of the
    two lesser parts is left out: three times the work, and a relative error of about 2**-17 for
    each of the products that are summed. Without, it is about 2**-8. Sums are float32.

    Parameters
    ----------
    right : ndarray of float32, shape (m, d)
    is_split : bool
    """

    def __init__(self, right: F32, is_split: bool) -> None:
        import openvino as ov

        self._is_split = is_split
        if is_split:
            parts = np.empty((len(right), 3 * right.shape[1]), np.float32)
            high, again, low = np.split(parts, 3, axis=1)
            again[:] = nearest_bfloat16(right, high)
            np.subtract(right, high, out=low)
            right = parts
        self._compiled = compile_product(ov.Core(), np.ascontiguousarray(right), True)
        self._spare: SimpleQueue[tuple[Any, F32]] = SimpleQueue()

    def into(self, left: F32, out: F32) -> F32:
        """Write ``left @ right.T``, ``(n, m)``, to ``out``; return it."""
        import openvino as ov

        request, space = self._spare.get() if not self._spare.empty() else self._make(left)
        try:
            for rows in row_slices(len(left), LEFT_ROWS):
                request.set_output_tensor(ov.Tensor(out[rows], shared_memory=True))
                parts = self._left(left[rows], space)
                request.infer([parts], share_inputs=True, share_outputs=True)
        finally:
            self._spare.put((request, space))
        return out

    def _make(self, left: F32) -> tuple[Any, F32]:
        """Make a request, and the memory that its left sides are laid out in."""
        width = 3 * left.shape[1] if self._is_split else 0
        return self._compiled.create_infer_request(), np.empty((LEFT_ROWS, width), np.float32)

    def _left(self, rows: F32, space: F32) -> F32:
        if not self._is_split:
            return np.ascontiguousarray(rows)
        parts = space[: len(rows)]
        high, low, again = np.split(parts, 3, axis=1)
        again[:] = nearest_bfloat16(rows, high)
        np.subtract(rows, high, out=low)
        return parts


def nearest_bfloat16(X: F32, out: F32 | None = None) -> F32:
    """Return the nearest numbers that bfloat16 can hold; ties go to the even one."""
    result = np.empty(X.shape, np.float32) if out is None else out
    bits, rounded = np.ascontiguousarray(X).view(np.uint32), result.view(np.uint32)
    np.right_shift(bits, 16, out=rounded)
    rounded &= 1
    rounded += bits
    rounded += 0x7FFF
    rounded &= 0xFFFF0000
    return result
