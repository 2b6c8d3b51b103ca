"""Models that leave featx: one graph from uint8 pixels to class probabilities."""

from .export import ExportReport, export
from .formats import FORMATS

__all__ = ["FORMATS", "ExportReport", "export"]
