"""Models that leave featx: one graph from uint8 pixels to class probabilities."""

from .graph_formats import FORMATS
from .write import ExportReport, export

__all__ = ["FORMATS", "ExportReport", "export"]
