"""Engines: what runs a frozen backbone over uint8 pixels."""

from .base import Engine, FeatureOutput, Network, is_out_of_memory, run_rows
from .choose import ENGINES, PRECISIONS, EngineChoice, build_engine, choose_engine

__all__ = [
    "ENGINES",
    "PRECISIONS",
    "Engine",
    "EngineChoice",
    "FeatureOutput",
    "Network",
    "build_engine",
    "choose_engine",
    "is_out_of_memory",
    "run_rows",
]
