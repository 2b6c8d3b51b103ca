"""Importing OpenVINO without its converter, which takes as long as all the rest of it."""

from __future__ import annotations

import sys
from typing import Any

from ..telemetry import switch_off_telemetry

CONVERTER = "openvino.tools.ovc"


def import_openvino() -> Any:
    """Return the module; ``openvino.convert_model`` loads the converter when it is called."""
    switch_off_telemetry()
    if "openvino" in sys.modules or CONVERTER in sys.modules:
        import openvino

        return openvino
    # None makes the import of a module fail, and OpenVINO does without this one.
    sys.modules[CONVERTER] = None  # type: ignore[assignment]
    try:
        import openvino
    finally:
        del sys.modules[CONVERTER]
    openvino.convert_model = _convert_model
    return openvino


def _convert_model(*args: Any, **kwargs: Any) -> Any:
    from openvino.tools.ovc import convert_model

    return convert_model(*args, **kwargs)
