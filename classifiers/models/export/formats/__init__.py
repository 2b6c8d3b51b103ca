"""The formats that a model can leave in: one record each, each in a file of its own."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from .....cache.errors import ConfigError
from .....cache.suggest import did_you_mean
from . import keras, onnx, openvino, savedmodel, tflite
from .record import ExportFormat as ExportFormat

MODULES = (keras, savedmodel, onnx, openvino, tflite)
FORMATS: Mapping[str, ExportFormat] = MappingProxyType(
    {module.FORMAT.name: module.FORMAT for module in MODULES}
)


def find_format(name: str) -> ExportFormat:
    """Return a format by its name; raises ConfigError with close matches."""
    if name not in FORMATS:
        raise ConfigError(f"unknown format {name!r}. {did_you_mean(name, FORMATS)}")
    return FORMATS[name]
