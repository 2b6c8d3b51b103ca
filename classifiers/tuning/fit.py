"""Training a tail on cached outputs of the frozen layers, measured as every head is measured."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone

from ...cache import FeatureSet, Predictions
from ...cache.errors import TrainingDataError
from ...extractor.run_options import Observer
from ..baselines.batches import ordered_batches
from ..heads.held_out import hold_out
from ..heads.joint_fit import fit_many
from ..heads.registry import TUNED, find_head
from ..heads.row_blocks import RowView
from ..heads.training_data import check_classes
from ..models.model import Model
from ..models.novelty import Novelty
from ..selection.decisions.class_values import class_weights_by_index
from ..selection.fit import (
    FitReport,
    judged,
    judged_rows,
    judges,
    unmeasured,
    with_default_metric,
)
from ..selection.memory import usable_memory
from ..selection.splitting.preparation import Prepared, prepare
from ..selection.splitting.splits import Split
from .head import FinetunedHead
from .samples import MapSamples
from .tail import Tail
from .training import PREDICT_ROWS, TailTrainer, train_tail

HELD_OUT = 0.1
"""Share of each class of the training rows that decides when to stop."""

STATE = 3
"""Version of the order of the arrays that a checkpoint holds."""

GRID = find_head("logreg").grid["C"]


@dataclass(frozen=True)
class Frozen:
    """A backbone that is cut in two, and what its frozen part gave.

    Attributes
    ----------
    features : FeatureSet
        Of the whole backbone.
    maps : FeatureSet
        Outputs of the frozen part for the same rows, ``(n, height * width * channels)``, and for
        random views of the images.
    tail : Tail
    """

    features: FeatureSet
    maps: FeatureSet
    tail: Tail


def fit_tail(
    frozen: Frozen,
    head: FinetunedHead,
    checkpoint: Path,
    memory: int | None,
    observer: Observer,
    command: str = "",
) -> FitReport:
    """Train a tail and a head on the training rows; measure them on validation and test.

    Parameters
    ----------
    frozen : Frozen
    head : FinetunedHead
        Not fitted. Its ``C`` is chosen on the rows that are held out.
    checkpoint : Path
        Where the state after each epoch is kept.
    memory : int or None
        Bytes that the training rows' maps may take, else three quarters of what is free; what is
        larger is read batch by batch.
    observer : Observer
    command : str
        Kept in the model as its origin.

    Raises
    ------
    TrainingDataError, ConfigError
        The features or labels cannot be learned from.
    CacheWriteError
        The checkpoint cannot be written.
    """
    features = frozen.features
    prepared = prepare(features, int(head.random_state))
    for note in prepared.notes:
        observer.say(note)
    split, start = prepared.split, time.perf_counter()
    head, train, held_out = _starting_point(frozen, split, head, memory)
    observer.say(
        f"Starting from logistic regression with C={head.C:g}; {len(held_out.y):,} of "
        f"{len(split.train):,} training rows are held out to stop early"
    )
    trainer = TailTrainer(frozen.tail, head, train, held_out)
    trainer.seconds += time.perf_counter() - start
    train_tail(trainer, checkpoint, _job(frozen, split, head), observer)
    report = _measured(frozen, prepared, head, trainer.seconds, command)
    return with_default_metric(report, features, observer)


def _starting_point(
    frozen: Frozen, split: Split, head: FinetunedHead, memory: int | None
) -> tuple[FinetunedHead, MapSamples, MapSamples]:
    """Fit heads for a grid of C; return the best, and the rows that train and that are held out."""
    features = frozen.features
    y = features.y[split.train]
    check_classes(y, features.class_names)
    generator = np.random.default_rng(int(head.random_state))
    mask = hold_out(y, HELD_OUT, generator, split.units[split.train])
    if not mask.any():
        raise TrainingDataError(
            "fine-tuning holds a tenth of the training rows out to know when to stop: it needs two "
            "images or more of a class"
        )
    heads = [clone(head).set_params(C=C) for C in GRID]
    rows = split.train[~mask]
    weights = None if features.weights is None else features.weights[split.train]
    with class_weights_by_index(heads, features.class_names, y):
        learned = None if weights is None else weights[~mask]
        fit_many(heads, np.asarray(features.X[rows], np.float32), y[~mask], learned)
        best = _best(heads, np.asarray(features.X[split.train[mask]], np.float32), y[mask])
        data = best.training(frozen.features.X[split.train], y, weights)
    maps, *views = _maps(frozen.maps, split.train, memory)
    samples = MapSamples(maps, data.y, _float32(data.weight), views)
    held_out = _part(samples, np.flatnonzero(mask))
    return best, _part(samples, np.flatnonzero(~mask)), replace(held_out, views=())


def _best(
    heads: list[FinetunedHead], X: NDArray[np.float32], y: NDArray[np.int64]
) -> FinetunedHead:
    """Return the head with the smallest log loss."""
    rows = np.arange(len(y))

    def log_loss(head: FinetunedHead) -> float:
        proba = head.predict_proba(X)[rows, np.searchsorted(head.classes_, y)]
        return float(-np.log(np.maximum(proba, 1e-12)).mean())

    return min(heads, key=log_loss)


def _maps(maps: FeatureSet, rows: NDArray[np.int64], memory: int | None) -> list[Any]:
    """Return the maps of some images, then those of each view of them."""
    matrices = (maps.X, *maps.views)
    n_bytes = len(matrices) * len(rows) * maps.X.shape[1] * maps.X.dtype.itemsize
    limit = usable_memory(memory)
    if n_bytes > limit:
        return [RowView(matrix, rows, limit) for matrix in matrices]
    return [np.asarray(matrix[rows]) for matrix in matrices]


def _float32(weight: NDArray[Any] | None) -> NDArray[np.float32] | None:
    return None if weight is None else weight.astype(np.float32)


def _part(samples: MapSamples, rows: NDArray[np.int64]) -> MapSamples:
    weight = None if samples.weight is None else samples.weight[rows]
    views = [RowView(view, rows) for view in samples.views]
    return MapSamples(RowView(samples.maps, rows), samples.y[rows], weight, views)


def _job(frozen: Frozen, split: Split, head: FinetunedHead) -> dict[str, Any]:
    params, views = head.get_json_params(), frozen.features.views_taken.to_dict()
    return {
        "features": frozen.features.spec.fingerprint,
        "data": frozen.features.manifest.data_digest,
        "split": split.to_dict()["digest"],
        "state": STATE,
        **({"views": views} if views else {}),
        "params": {name: value for name, value in params.items() if name != "epochs"},
    }


def _measured(
    frozen: Frozen, prepared: Prepared, head: FinetunedHead, seconds: float, command: str
) -> FitReport:
    """Make a model of a trained tail, and measure it on the rows that judge it."""
    features, split, tail = frozen.features, prepared.split, frozen.tail.weights()
    model = unmeasured(features, split, TUNED.name, head, command)
    spec = replace(features.spec.single, weights_digest=tail.digest)
    origin = {**model.origin, "history": head.history_}
    tuned = _TunedFeatures(frozen)
    novelty = Novelty.fit(tuned, split.train, split.val)
    model = replace(model, spec=spec, tail=tail, origin=origin, novelty=novelty)
    start = time.perf_counter()
    predictions = {name: _predictions(tuned, model, rows) for name, rows in judges(split)}
    predict_seconds = max(time.perf_counter() - start, 1e-9)
    return judged(model, features, prepared, predictions, (seconds, predict_seconds))


class _TunedFeatures:
    """The features that the trained tail gives to the rows of a source, computed when read."""

    def __init__(self, frozen: Frozen) -> None:
        self.frozen = frozen

    def __getitem__(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        maps, tail = RowView(self.frozen.maps.X, rows), self.frozen.tail
        samples = MapSamples(maps, self.frozen.features.y[rows])
        parts = [
            tail.features(samples.take(block, tail.map_shape))
            for block in ordered_batches(len(rows), PREDICT_ROWS)
        ]
        return np.concatenate(parts, dtype=np.float32)


def _predictions(tuned: _TunedFeatures, model: Model, rows: NDArray[np.int64]) -> Predictions:
    """Return the probabilities that the trained tail and its head give to some rows."""
    probabilities = np.asarray(model.predict_proba(tuned[rows]), np.float32)
    return Predictions(judged_rows(tuned.frozen.features, rows), probabilities)
