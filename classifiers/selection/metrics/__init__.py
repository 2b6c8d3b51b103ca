"""Metrics: one frozen record each, their values on judged rows, and their intervals."""

from .baseline import MOST_FREQUENT, always
from .bootstrap import bootstrap_draws, bootstrap_interval, draw_weights
from .cautions import cautions
from .choice import AUTO, metric_for
from .measure import Measures, confusion, measure, measure_classes
from .rarest import FEW_ROWS
from .record import Metric, listed
from .registry import DEFAULT_METRIC, METRICS, find_metric
from .weighted_rows import WeightedRows
from .wilson import Interval, wilson_interval

__all__ = [
    "AUTO",
    "DEFAULT_METRIC",
    "FEW_ROWS",
    "METRICS",
    "MOST_FREQUENT",
    "Interval",
    "Measures",
    "Metric",
    "WeightedRows",
    "always",
    "bootstrap_draws",
    "bootstrap_interval",
    "cautions",
    "confusion",
    "draw_weights",
    "find_metric",
    "listed",
    "measure",
    "measure_classes",
    "metric_for",
    "wilson_interval",
]
