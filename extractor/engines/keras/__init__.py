"""Networks through Keras, on any of its backends."""

from .devices import accelerators, has_bfloat16
from .engine import KERAS, KerasEngine
from .folding import fold_batch_norm
from .model import build_model, pooled

__all__ = [
    "KERAS",
    "KerasEngine",
    "accelerators",
    "build_model",
    "fold_batch_norm",
    "has_bfloat16",
    "pooled",
]
