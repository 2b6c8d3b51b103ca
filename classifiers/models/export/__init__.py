"""Models that leave featx: one graph from uint8 pixels to class probabilities."""

from .formats import FORMATS
from .write import GraphReport, export

__all__ = ["FORMATS", "GraphReport", "export"]
