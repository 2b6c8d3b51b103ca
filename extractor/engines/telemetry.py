"""No library that featx loads reports about its user."""

from __future__ import annotations

import os
import sys

VARIABLES = {"ORT_DISABLE_TELEMETRY": "1"}
"""ONNX Runtime reads it when it is imported."""

MODULES = ("openvino_telemetry",)
"""Packages that only report; what imports them does without."""


def switch_off_telemetry() -> None:
    """Keep the libraries loaded from now on from reporting; call it before their import.

    OpenVINO's converter and ONNX Runtime would otherwise write an id of this user into the home
    folder and send events.
    """
    os.environ.update(VARIABLES)
    for name in MODULES:
        # None makes the import of a module fail.
        sys.modules.setdefault(name, None)  # type: ignore[arg-type]
