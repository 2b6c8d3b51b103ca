"""Engines: what runs a frozen backbone over uint8 pixels."""

from ..pipeline.engine_pool import EnginePool
from .base import Engine, Network, Tap, is_out_of_memory, run_rows
from .choose import ENGINES, PRECISIONS, EngineChoice, build_engine, choose_engine

__all__ = [
    "ENGINES",
    "PRECISIONS",
    "Engine",
    "EngineChoice",
    "EnginePool",
    "Network",
    "Tap",
    "build_engine",
    "choose_engine",
    "is_out_of_memory",
    "run_rows",
]
