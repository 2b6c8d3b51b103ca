"""Products with X in bfloat16, by OpenVINO: several times faster where the processor has them."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from queue import SimpleQueue
from typing import Any

import numpy as np

from .design import Design
from .solver_options import F32

# Fewer numbers than this are multiplied sooner than a model is compiled.
MIN_SIZE = 1 << 22
BLOCK_ROWS = 4096
# Each row block is held twice, packed for either product, at two bytes a number.
BYTES_PER_NUMBER = 4


class FastProduct:
    """``left @ right`` for one right side, from as many threads at a time as it is built for.

    An inference request of OpenVINO serves one thread at a time, so each thread takes its own.
    """

    def __init__(self, right: F32, n_threads: int) -> None:
        import openvino as ov

        core = ov.Core()
        self._requests: SimpleQueue[Any] = SimpleQueue()
        for _ in range(n_threads):
            self._requests.put(compile_product(core, right, False).create_infer_request())

    def into(self, left: F32, out: F32) -> None:
        """Write ``left (m, d) @ right (d, r)`` to ``out``."""
        request = self._requests.get()
        try:
            out[:] = _infer(request, left)
        finally:
            self._requests.put(request)


@dataclass(frozen=True)
class FastBlock:
    """Some rows of ``(X - center) / scale``, packed: one compiled product with each side.

    OpenVINO's inference requests are called from one thread at a time.
    """

    rows: slice
    _forward: Any
    _backward: Any

    def logits(self, weights: F32) -> F32:
        """``weights (m, d) @ rowsᵀ``, ``(m, n_rows)``."""
        return _infer(self._forward, weights)

    def gradient(self, residuals: F32) -> F32:
        """``residuals (m, n_rows) @ rows``, ``(m, d)``."""
        return _infer(self._backward, residuals)


def multiplies_bfloat16() -> bool:
    """Say whether this processor multiplies bfloat16 faster than float32."""
    if not find_spec("openvino"):
        return False
    import openvino as ov

    return "BF16" in ov.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def fast_blocks(design: Design, max_bytes: int) -> list[FastBlock]:
    """Pack X in bfloat16; an empty list where that is impossible or does not pay."""
    size = design.n_samples * design.n_features
    if size < MIN_SIZE or size * BYTES_PER_NUMBER > max_bytes or not multiplies_bfloat16():
        return []
    import openvino as ov

    core = ov.Core()
    starts = range(0, design.n_samples, BLOCK_ROWS)
    rows = [slice(a, min(a + BLOCK_ROWS, design.n_samples)) for a in starts]
    return design.workers.map(lambda part: _compile(core, design, part), rows)


def _compile(core: Any, design: Design, rows: slice) -> FastBlock:
    x = design.rows(rows)
    both = [compile_product(core, x, transposed) for transposed in (True, False)]
    return FastBlock(rows, *(compiled.create_infer_request() for compiled in both))


def compile_product(core: Any, right: F32, transposed: bool) -> Any:
    """Compile ``left @ right`` (or ``rightᵀ``) in bfloat16, for a left side of any number of rows.

    Parameters
    ----------
    core : openvino.Core
    right : float32
        Is not copied until it is compiled.
    transposed : bool
    """
    import openvino as ov
    from openvino import opset13 as op

    width = right.shape[1] if transposed else right.shape[0]
    left = op.parameter(ov.PartialShape([-1, width]), np.float32)
    constant = op.constant(right, shared_memory=True)
    model = ov.Model([op.matmul(left, constant, False, transposed)], [left])
    # Pinned, the single threads of all products would share one core.
    hints = {
        "INFERENCE_PRECISION_HINT": "bf16",
        "NUM_STREAMS": 1,
        "INFERENCE_NUM_THREADS": 1,
        "ENABLE_CPU_PINNING": False,
    }
    return core.compile_model(model, "CPU", hints)


def _infer(request: Any, left: F32) -> F32:
    outputs = request.infer([np.ascontiguousarray(left)], share_inputs=True, share_outputs=True)
    product: F32 = outputs[0]
    return product
