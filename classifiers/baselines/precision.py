"""The number format in which networks are trained; their weights stay in float32."""

from __future__ import annotations

from typing import Any

from ...extractor.engines.choose import AUTO
from ...extractor.engines.keras import has_bfloat16
from ...extractor.engines.keras_import import import_keras
from ...extractor.machine.hardware import this_machine

PRECISIONS = (AUTO, "float32", "bfloat16")
BFLOAT16_FLAGS = {"avx512_bf16", "amx_bf16"}


def training_precision(wanted: str) -> str:
    """Return ``float32`` or ``bfloat16``; ``auto`` asks the hardware."""
    if wanted != AUTO:
        return wanted
    # Only TensorFlow's convolutions use the processors' instructions.
    on_processor = import_keras().backend.backend() == "tensorflow" and bool(
        this_machine().flags & BFLOAT16_FLAGS
    )
    return "bfloat16" if has_bfloat16() or on_processor else "float32"


def layer_policy(precision: str) -> Any:
    """Return the ``keras.DTypePolicy`` of a layer that computes in ``precision``."""
    name = precision if precision == "float32" else f"mixed_{precision}"
    return import_keras().DTypePolicy(name)
