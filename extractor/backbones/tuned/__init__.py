"""Backbones whose last layers were trained further."""

from .tail_weights import TailWeights, find_kept

__all__ = ["TailWeights", "find_kept"]
