"""Backbones whose last layers were trained further."""

from .tail_weights import KEPT, TailWeights, find_kept

__all__ = ["KEPT", "TailWeights", "find_kept"]
