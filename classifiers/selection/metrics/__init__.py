"""Metrics: one frozen record each, their values on judged rows, and their intervals."""

from .bootstrap import bootstrap_draws, bootstrap_interval, draw_weights
from .measure import Measures, confusion, measure, measure_classes
from .record import Metric, listed
from .registry import DEFAULT_METRIC, METRICS, find_metric
from .weighted_rows import WeightedRows
from .wilson import Interval, wilson_interval

__all__ = [
    "DEFAULT_METRIC",
    "METRICS",
    "Interval",
    "Measures",
    "Metric",
    "WeightedRows",
    "bootstrap_draws",
    "bootstrap_interval",
    "confusion",
    "draw_weights",
    "find_metric",
    "listed",
    "measure",
    "measure_classes",
    "wilson_interval",
]
