"""Products of float32 matrices in the processor's bfloat16 units, by OpenVINO."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....extractor.bfloat16 import to_bfloat16
from ..row_blocks import Floats, row_slices
from .threads import Spares

F32 = NDArray[np.float32]
# Fewer multiplications than this are done sooner than a product is compiled.
LARGE = 1 << 32
# Measured: 546 rows at a time take a third longer than 512.
LEFT_ROWS = 512


def multiplies_bfloat16() -> bool:
    """Say whether this processor multiplies bfloat16 faster than float32."""
    if not find_spec("openvino"):
        return False
    return "BF16" in _core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


@cache
def _core() -> Any:
    import openvino as ov

    return ov.Core()


def is_large(n_rows: int, right: Floats) -> bool:
    """Say whether the product of ``n_rows`` rows with ``right`` takes a noticeable time."""
    return n_rows * right.size >= LARGE


def is_worth_compiling(n_rows: int, right: Floats) -> bool:
    """Say whether products of ``n_rows`` rows with ``right`` are sooner done in bfloat16."""
    return is_large(n_rows, right) and right.dtype == np.float32 and multiplies_bfloat16()


class Bf16Product:
    """``left @ right.T`` for one right side; threads may call it side by side.

    With ``is_split``, each number is the sum of two of bfloat16, and the product of the two lower
    parts is left out: three times the work, and a relative error of about 2**-17 for each of the
    products that are summed. Without, it is about 2**-8. Sums are float32.

    Parameters
    ----------
    right : ndarray of float32, shape (m, d)
    is_split : bool
    """

    def __init__(self, right: F32, is_split: bool) -> None:
        width = 0
        if is_split:
            width = 3 * right.shape[1]
            parts = np.empty((len(right), width), np.float32)
            high, high_again, low = np.split(parts, 3, axis=1)
            high_again[:] = to_bfloat16(right, high)
            np.subtract(right, high, out=low)
            right = parts
        infer = compile_product(np.ascontiguousarray(right), is_transposed=True)
        # A request, and the memory that its left side is laid out in.
        self._spares = Spares(lambda: (infer(), np.empty((LEFT_ROWS, width), np.float32)))
        self._is_split = is_split

    def into(self, left: F32, out: F32) -> F32:
        """Write ``left @ right.T``, ``(n, m)``, to ``out``; return it."""
        import openvino as ov

        with self._spares.borrow() as (request, space):
            for rows in row_slices(len(left), LEFT_ROWS):
                request.set_output_tensor(ov.Tensor(out[rows], shared_memory=True))
                parts = self._left(left[rows], space)
                request.infer([parts], share_inputs=True, share_outputs=True)
        return out

    def _left(self, rows: F32, space: F32) -> F32:
        if not self._is_split:
            return np.ascontiguousarray(rows)
        parts = space[: len(rows)]
        high, low, high_again = np.split(parts, 3, axis=1)
        high_again[:] = to_bfloat16(rows, high)
        np.subtract(rows, high, out=low)
        return parts


def compile_product(right: F32, is_transposed: bool) -> Callable[[], Any]:
    """Compile ``left @ right`` (or ``right.T``) in bfloat16, for any number of left rows.

    Returns
    -------
    callable
        Makes an inference request of OpenVINO, which one thread may use at a time.
    """
    import openvino as ov
    from openvino import opset13 as op

    width = right.shape[1] if is_transposed else right.shape[0]
    left = op.parameter(ov.PartialShape([-1, width]), np.float32)
    constant = op.constant(right, shared_memory=True)
    model = ov.Model([op.matmul(left, constant, False, is_transposed)], [left])
    # Pinned, the single threads of all products would share one core.
    hints = {
        "INFERENCE_PRECISION_HINT": "bf16",
        "NUM_STREAMS": 1,
        "INFERENCE_NUM_THREADS": 1,
        "ENABLE_CPU_PINNING": False,
    }
    compiled = _core().compile_model(model, "CPU", hints)
    make_request: Callable[[], Any] = compiled.create_infer_request
    return make_request
