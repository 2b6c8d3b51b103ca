"""Backbones that are graphs in files: ONNX and OpenVINO, alone or in a publisher's folder."""

from .describe import describe_graph
from .locate import GraphPlace, find_graph
from .summary import GraphSummary, summarise

__all__ = ["GraphPlace", "GraphSummary", "describe_graph", "find_graph", "summarise"]
