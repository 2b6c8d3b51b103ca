"""What is known of each point, as the table that the Embedding Projector reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ....cache import SPLITS, FeatureSet
from ....cache.errors import TrainingDataError
from ....cache.format.atomic import write_text
from ...models.model import Model
from ...selection.like import split_like
from ...selection.splitting.splits import split_features
from ..visible import visible

MAX_COLOURS = 50
"""Values of a column by which the projector still colours."""
NO_LABEL, NO_SPLIT, OTHERS = "(no label)", "(no split)", "(other classes)"
LEFT_OUT = "(left out)"


@dataclass(frozen=True)
class PointPredictions:
    """What a model says of the points.

    Attributes
    ----------
    model : str
        For people.
    predicted : ndarray of int64, shape (n_points,)
        Index into the class names of the features.
    probability : ndarray of float, shape (n_points,)
        Of the predicted class.
    class_names : tuple of str
    """

    model: str
    predicted: NDArray[np.int64]
    probability: NDArray[np.floating]
    class_names: tuple[str, ...]


def point_columns(
    features: FeatureSet,
    rows: NDArray[np.int64],
    predictions: PointPredictions | None = None,
    model: Model | None = None,
) -> dict[str, Sequence[str]]:
    """Return the columns of the table, at least two: with one there would be no header."""
    names, y = features.class_names, features.y[rows]
    ids = features.sample_ids.take(rows)
    columns: dict[str, Sequence[str]] = {}
    if names:
        columns["label"] = [names[label] if label >= 0 else NO_LABEL for label in y]
        if len(set(columns["label"])) > MAX_COLOURS:
            frequent = set(np.argsort(-np.bincount(y[y >= 0]), kind="stable")[: MAX_COLOURS - 2])
            columns["frequent label"] = [
                text if label in frequent or label < 0 else OTHERS
                for text, label in zip(columns["label"], y.tolist(), strict=True)
            ]
    columns |= {"id": ids, "split": split_names(features, model)[rows].tolist()}
    if predictions is not None:
        columns |= _prediction_columns(predictions, [*columns.get("label", [""] * len(rows))])
    return columns


def split_names(features: FeatureSet, model: Model | None = None) -> NDArray[np.str_]:
    """Return each row's split ``(n_samples,)``: that of ``model``, or what training would use."""
    try:
        has_rows = model is not None and model.rows is not None
        split = split_like(model, features) if model and has_rows else split_features(features)
    except TrainingDataError:  # nothing to learn from: the source's own splits, if any
        return np.array([NO_SPLIT, *SPLITS])[features.splits + 1]
    names = np.full(len(features), LEFT_OUT)
    for name, rows in (("train", split.train), ("val", split.val), ("test", split.test)):
        names[rows] = name
    return names


def _prediction_columns(
    predictions: PointPredictions, labels: Sequence[str]
) -> dict[str, Sequence[str]]:
    predicted = [predictions.class_names[index] for index in predictions.predicted]
    outcomes = [
        "no label" if label in ("", NO_LABEL) else "right" if label == name else "wrong"
        for label, name in zip(labels, predicted, strict=True)
    ]
    probability = [f"{value:.4f}" for value in predictions.probability]
    return {"predicted": predicted, "probability": probability, "outcome": outcomes}


def write_metadata(path: Path, columns: Mapping[str, Sequence[str]]) -> None:
    """Write a header and a line for each point; raises CacheWriteError where that fails."""
    rows = zip(*columns.values(), strict=True)
    lines = ["\t".join(map(visible, row)) for row in (tuple(columns), *rows)]
    write_text(path, "\n".join(lines) + "\n")
