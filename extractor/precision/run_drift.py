"""The drift of a run: its first images again in float32."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..engines import is_out_of_memory, run_rows
from ..engines.base import CPU_BATCHES
from ..plan import Plan
from .drift import Drift, measure

N_IMAGES = 16
EXACT = "float32"


def measure_run_drift(
    plan: Plan, engine: str, images: NDArray[np.uint8], outputs: Sequence[NDArray[Any]]
) -> Drift | None:
    """Return how far the features of the first images are from float32.

    None where the run computes in float32, or where memory does not suffice for a second engine.

    Parameters
    ----------
    plan : Plan
    engine : str
        As in ``RunOptions``.
    images : ndarray of uint8, shape (n, height, width, 3)
    outputs : sequence of ndarray, each (n, d)
        What the run's engine made of them.
    """
    precision = plan.spec.precision
    if precision == EXACT:
        return None
    try:
        exact = plan.with_precision(EXACT).build_engine(CPU_BATCHES.default, engine)
        rows = run_rows(exact, images[:N_IMAGES])
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        return None
    return measure(precision, [output[:N_IMAGES] for output in outputs], rows)


def drift_warning(backbone: str, drift: Drift, max_drift: float) -> str:
    """Return a loud sentence where a run's drift breaks the contract; else nothing."""
    if drift.within(max_drift):
        return ""
    return (
        f"{backbone} IN {drift.precision.upper()} IS TOO FAR FROM FLOAT32 on these images: "
        f"{drift.describe(max_drift)}. The features stay as they are; --precision float32 extracts "
        "exact ones"
    )
