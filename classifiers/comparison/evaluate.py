"""Evaluating a model on a source with labels: what it knew and what it did not, apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...cache import NO_SPLIT, SPLITS, FeatureSet
from ...cache.errors import TrainingDataError
from ..models.model import Model
from ..models.split_rows import TRAIN, VAL
from ..selection.fit import predict_rows
from ..selection.metrics import (
    AUTO,
    Measures,
    always,
    confusion,
    measure,
    measure_classes,
    metric_for,
)
from ..selection.metrics.bootstrap import bootstrap_draws, bootstrap_interval
from ..selection.metrics.registry import METRICS

N_WORST = 20
HELD_OUT = "held out"
ROLES = {NO_SPLIT: "new", **dict(enumerate(("trained on", "validation", "test")))}


@dataclass(frozen=True)
class WorstImage:
    """An image that the model is wrong about, and sure."""

    sample: str
    label: str
    predicted: str
    probability: float


@dataclass(frozen=True)
class RoleRows:
    """The rows of one role.

    Attributes
    ----------
    role : str
        ``trained on``, ``validation`` (the model was chosen by them), ``test`` or ``new``.
    rows : int
    accuracy : float
    """

    role: str
    rows: int
    accuracy: float


@dataclass(frozen=True)
class Evaluation:
    """How a model does on the labelled rows of a source.

    Attributes
    ----------
    model_classes, features : tuple of str, str
    judged : str
        Which rows the measures are of: ``held out``, a split, or ``all`` where none is held out.
    n_views : int
        Views of each image that the probabilities are the mean over, the image itself included.
    n_rows, n_labelled, n_known, n_judged : int
        Rows; with a label; whose class the model knows; and that the measures are of.
    unknown_classes : mapping of str to int
    parts : tuple of RoleRows
        All rows of known classes, by role. Empty where the model file does not say.
    measures : Measures
        With 95 % intervals: in closed form, or of a bootstrap.
    classes : list of dict
    confusion : list of list of int
        Rows are true classes, columns what the model decides for.
    baseline_class : str
    baseline : float
        Accuracy of always saying the most frequent class of the judged rows.
    metric : str
        By which the model is held against always saying that class: accuracy, or balanced accuracy
        where the largest class has more than three times the rows of the smallest.
    beats_baseline : bool
    worst : tuple of WorstImage
    """

    model_classes: tuple[str, ...]
    features: str
    judged: str
    n_rows: int
    n_labelled: int
    n_known: int
    n_judged: int
    unknown_classes: Mapping[str, int]
    parts: tuple[RoleRows, ...]
    measures: Measures
    classes: Sequence[Mapping[str, Any]]
    confusion: Sequence[Sequence[int]]
    baseline_class: str
    baseline: float
    worst: tuple[WorstImage, ...]
    metric: str = ""
    beats_baseline: bool = True
    n_views: int = 1


def evaluate(model: Model, features: FeatureSet, split: str | None = None) -> Evaluation:
    """Measure ``model`` on rows of ``features``.

    Parameters
    ----------
    model : Model
    features : FeatureSet
        With labels. Where random views of its images are beside them, each image is judged by the
        mean of the probabilities over all.
    split : str, optional
        ``train``, ``val`` or ``test``: the model's rows of that split, and rows that it does not
        know to which the source gives it. By default the rows that it was neither trained on nor
        chosen by; all rows where there are none.

    Raises
    ------
    TrainingDataError
        No row has a label that the model knows, or none is of ``split``.
    """
    names = list(features.class_names)
    codes = {name: code for code, name in enumerate(model.class_names)}
    labels = np.array([*(codes.get(name, -1) for name in names), -1], np.int64)[features.y]
    rows = np.flatnonzero(labels >= 0)
    if not len(rows):
        raise TrainingDataError(
            f"no row of {features.manifest.location} has a label that the model knows. It knows "
            f"{', '.join(model.class_names[:10])}; the source has {', '.join(names[:10]) or 'none'}"
        )
    roles = np.full(len(rows), NO_SPLIT, np.int8)
    if model.rows is not None:
        roles = model.rows.find(features.digests[rows])
    chosen, judged = _judged_rows(features, rows, roles, split)
    y = labels[rows]
    P = predict_rows(model, features, rows, features.views).probabilities
    decided = model.decisive(P)
    is_right = decided.argmax(axis=1) == y
    parts = tuple(
        RoleRows(ROLES[role], int((roles == role).sum()), float(is_right[roles == role].mean()))
        for role in (TRAIN, VAL, SPLITS.index("test"), NO_SPLIT)
        if (roles == role).any() and model.rows is not None
    )
    counts = np.bincount(y[chosen], minlength=len(model.class_names))
    measures = _measures(y[chosen], decided[chosen], model.class_names)
    metric, _ = metric_for(AUTO, y[chosen], model.class_names)
    least = always(y[chosen], model.class_names, int(counts.argmax()), judged)
    ranks = [metric.rank(one.metrics.get(metric.name)) for one in (measures, least)]
    unknown = np.bincount(features.y[(features.y >= 0) & (labels < 0)], minlength=len(names))
    return Evaluation(
        model_classes=model.class_names,
        features=features.name,
        judged=judged,
        n_rows=len(features),
        n_labelled=int((features.y >= 0).sum()),
        n_known=len(rows),
        n_judged=len(chosen),
        unknown_classes={n: int(k) for n, k in zip(names, unknown, strict=True) if k},
        parts=parts,
        measures=measures,
        classes=measure_classes(y[chosen], decided[chosen], model.class_names),
        confusion=confusion(y[chosen], decided[chosen]).tolist(),
        baseline_class=model.class_names[int(counts.argmax())],
        baseline=float(counts.max() / counts.sum()),
        metric=metric.name,
        beats_baseline=ranks[0] < ranks[1],
        n_views=1 + len(features.views),
        worst=_worst(model, features, rows[chosen], (y[chosen], P[chosen], decided[chosen])),
    )


def _judged_rows(
    features: FeatureSet, rows: NDArray[np.int64], roles: NDArray[np.int8], split: str | None
) -> tuple[NDArray[np.int64], str]:
    """Return the indices into ``rows`` that are judged, and what they are."""
    if split is not None:
        code = SPLITS.index(split)
        given = features.splits[rows] == code
        chosen = np.flatnonzero((roles == code) | ((roles == NO_SPLIT) & given))
        if not len(chosen):
            raise TrainingDataError(
                f"no row with a known label is in {split}: the model does not know these images, "
                "and the source gives no splits. Leave --split away to judge by all that are new"
            )
        return chosen, split
    held_out = np.flatnonzero((roles != TRAIN) & (roles != VAL))
    if not len(held_out):
        return np.arange(len(rows)), "all"
    return held_out, HELD_OUT


def _measures(y: NDArray[np.int64], P: NDArray[Any], class_names: tuple[str, ...]) -> Measures:
    """Return all metrics, with intervals of a bootstrap where there is no closed form."""
    found = measure(y, P, class_names)
    open_ones = [METRICS[name] for name in found.metrics if name not in found.intervals]
    draws = bootstrap_draws(open_ones, y, P)
    intervals = {name: bootstrap_interval(values) for name, values in draws.items()}
    more = {name: interval for name, interval in intervals.items() if interval}
    return replace(found, intervals={**found.intervals, **more})


def _worst(
    model: Model,
    features: FeatureSet,
    rows: NDArray[np.int64],
    judged: tuple[NDArray[np.int64], NDArray[Any], NDArray[Any]],
) -> tuple[WorstImage, ...]:
    """Return the images that are decided wrongly with the largest probabilities."""
    y, P, decided = judged
    codes, ids = decided.argmax(axis=1), features.sample_ids
    wrong = np.flatnonzero(codes != y)
    sure = P[wrong, codes[wrong]]
    order = wrong[np.argsort(-sure, kind="stable")[:N_WORST]]
    names = model.class_names
    return tuple(
        WorstImage(ids[int(rows[i])], names[y[i]], names[codes[i]], float(P[i, codes[i]]))
        for i in order
    )
