"""Growth: how the winner's accuracy grows with its training images."""

from __future__ import annotations

import numpy as np

from ....cache.errors import FeatxError
from ....extractor.run_options import Observer
from ...heads.registry import HEADS
from ...selection.metrics import find_metric
from ..curves.learning_curve import CurveOptions, LearningCurve, Subject, learning_curves
from .charts.chart import Chart, Series, log_axis, share_axis
from .study import Study

N_DRAWS = 3


def growth_chart(study: Study, observer: Observer) -> Chart | None:
    """Return the winner's metric by number of training images; None where it has none.

    ``featx curve`` draws it of any head, with more draws.
    """
    winner, features = study.winner, study.features
    if winner is None or study.split is None or winner.entry.head not in HEADS:
        return None
    metric = find_metric(study.metric)
    if not metric.in_percent:
        return None
    subject = Subject(winner.entry.head, winner.entry.all_params)
    try:
        curve = learning_curves(features, [subject], CurveOptions(metric, N_DRAWS), observer)[0]
    except FeatxError:
        return None
    sizes = np.array([float(point.n_images) for point in curve.points])
    means = np.array([point.mean for point in curve.points])
    low = np.array([min(point.values) for point in curve.points])
    high = np.array([max(point.values) for point in curve.points])
    title = f"{winner.title}: {metric.title} by training images"
    x = log_axis("training images", sizes.tolist())
    y = share_axis(f"{metric.title}, validation", [*low.tolist(), *high.tolist()])
    series = Series(winner.title, sizes, means, low, high)
    return Chart(title, x, y, [series], note=f"{_outlook(curve)}The band spans {N_DRAWS} draws.")


def _outlook(curve: LearningCurve) -> str:
    ahead = curve.forecast
    if ahead is None:
        return ""
    low, high = (100 * end for end in ahead.gain_interval)
    return (
        f"Twice the images would bring {100 * ahead.gain:z.1f} points ({low:z.1f} to {high:z.1f}). "
    )
