"""The engines that featx has, the preferred ones first."""

from __future__ import annotations

from types import MappingProxyType

from .keras import KERAS
from .onnxruntime.engine import ONNXRUNTIME
from .openvino.engine import OPENVINO

ENGINES = MappingProxyType({record.name: record for record in (OPENVINO, KERAS, ONNXRUNTIME)})
