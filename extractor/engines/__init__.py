"""Engines: what runs a frozen backbone over uint8 pixels."""

from .base import Engine, EngineRecord, FeatureOutput, Network, is_out_of_memory, run_rows
from .choose import ENGINE_NAMES, build_engine, choose_engine

__all__ = [
    "ENGINE_NAMES",
    "Engine",
    "EngineRecord",
    "FeatureOutput",
    "Network",
    "build_engine",
    "choose_engine",
    "is_out_of_memory",
    "run_rows",
]
