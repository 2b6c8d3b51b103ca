"""The formats of prediction files: one record each, each in a file of its own."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from . import arrow, csv, jsonl, parquet
from .record import OutputFormat as OutputFormat

MODULES = (parquet, csv, jsonl, arrow)
FORMATS: Mapping[str, OutputFormat] = MappingProxyType(
    {module.FORMAT.name: module.FORMAT for module in MODULES}
)
BY_ENDING: Mapping[str, OutputFormat] = MappingProxyType(
    {ending: form for form in FORMATS.values() for ending in form.endings}
)
