"""Backbones whose last layers were trained further."""

from .tail_weights import TailWeights

__all__ = ["TailWeights"]
