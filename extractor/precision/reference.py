"""The engine whose float32 features the others are measured against."""

from __future__ import annotations

from ..backbones.record import KERAS_FORMAT
from ..engines import Engine
from ..engines.keras_import import check_keras
from ..engines.registry import ENGINES
from ..plan import Plan

EXACT = "float32"


def reference_engine(plan: Plan, batch_size: int) -> Engine:
    """Build the engine that defines a plan's features: Keras, or what runs a graph as it is.

    A graph in an ONNX file is ONNX Runtime's where that is installed.

    Raises
    ------
    MissingLibraryError, BackboneError
        Keras' backend is not installed, or the weights are not on this machine.
    """
    name = KERAS_FORMAT
    if plan.record.format == KERAS_FORMAT:
        check_keras()
    else:
        able = [r for r in ENGINES.values() if plan.record.format in r.formats]
        installed = [r.name for r in able if not r.missing_module]
        name = installed[-1] if plan.record.path else installed[0]
    return plan.with_precision(EXACT).build_engine(batch_size, name)
