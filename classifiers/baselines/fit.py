"""Training a baseline on the pixels of a source, and measuring it as every head is measured."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...cache import FeatureSet
from ...extractor.run_options import LogObserver, Observer
from ..heads.row_blocks import RowView
from ..heads.training_data import check_classes
from ..selection.decisions.class_values import class_weights_by_index
from ..selection.fit import FitReport, measured, with_default_metric
from ..selection.memory import usable_memory
from ..selection.splitting.preparation import prepare
from ..selection.splitting.splits import Split
from .batches import PixelRows
from .head import BaselineHead
from .training import Labelled, train_network

HEAD = "baseline"
EPOCHS = ("epochs", "augment_epochs")


def fit_baseline(
    features: FeatureSet,
    head: BaselineHead,
    checkpoint: Path,
    *,
    memory: int | None = None,
    observer: Observer | None = None,
    command: str = "",
) -> FitReport:
    """Train a network on the training rows of cached pixels; measure it on validation and test.

    The splits are those of the heads. Validation rows are measured after each epoch, for the
    curves; nothing is chosen by them.

    Parameters
    ----------
    features : FeatureSet
        Of the backbone ``pixels``.
    head : BaselineHead
        Not fitted; its curves are kept in the model's origin.
    checkpoint : Path
        Where the state after each epoch is kept; the same call, or one of more epochs, goes on from
        it. It is there for the caller to remove once the model is saved.
    memory : int, optional
        Bytes that the pixels may take, else three quarters of what is free; what is larger is read
        from the cache batch by batch.
    observer : Observer, optional
    command : str
        Kept in the model as its origin.

    Raises
    ------
    TrainingDataError, ConfigError
        The pixels or labels cannot be learned from, or are too small for the network.
    CacheWriteError
        The checkpoint cannot be written.
    """
    prepared = prepare(features, int(head.random_state), looks_for_copies=False)
    observer = observer or LogObserver()
    for note in prepared.notes:
        observer.say(note)
    split = prepared.split
    X = _pixels(features, split.train, memory)
    y = features.y[split.train]
    check_classes(y, features.class_names)
    with class_weights_by_index([head], features.class_names, y):
        trainer = head.trainer(head.prepare(X, y))
    val = _watched(features, split, head, memory)
    train_network(trainer, val, checkpoint, _job(features, split, head), observer)
    head.take(trainer)
    report = measured(features, prepared, HEAD, head, trainer.seconds, command)
    report = with_default_metric(report, features, observer)
    origin = {**report.model.origin, "history": head.history_}
    return replace(report, model=replace(report.model, origin=origin))


def _pixels(features: FeatureSet, rows: NDArray[np.int64], memory: int | None) -> Any:
    """Return rows of pixels: as uint8 in memory if they fit, else read as they are needed."""
    limit = usable_memory(memory)
    if len(rows) * features.X.shape[1] > limit:
        return RowView(features.X, rows, limit)
    pixels = np.empty((len(rows), features.X.shape[1]), np.uint8)
    for start in range(0, len(rows), 1024):
        pixels[start : start + 1024] = features.X[rows[start : start + 1024]]
    return pixels


def _watched(
    features: FeatureSet, split: Split, head: BaselineHead, memory: int | None
) -> Labelled | None:
    """Return the validation rows of classes that the network learns."""
    rows = split.val[np.isin(features.y[split.val], head.classes_)]
    if not len(rows):
        return None
    y = np.searchsorted(head.classes_, features.y[rows]).astype(np.int64)
    shape = tuple(int(n) for n in head.image_shape_)
    return Labelled(PixelRows(_pixels(features, rows, memory), shape), y)


def _job(features: FeatureSet, split: Split, head: BaselineHead) -> dict[str, Any]:
    return {
        "features": features.spec.fingerprint,
        "data": features.manifest.data_digest,
        "split": split.to_dict()["digest"],
        "params": {k: v for k, v in head.get_json_params().items() if k not in EPOCHS},
    }
