"""Whether features and labels can be learned from; what cannot is said in one sentence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...cache.errors import TrainingDataError
from .row_blocks import check_finite


def check_training_data(
    X: Any, y: Any, class_names: Sequence[str] | None = None, min_samples_per_class: int = 1
) -> None:
    """Check that a head can learn from ``X`` and ``y``.

    A constant feature is fine: scaling leaves it at zero. A class with one sample is learned from
    that sample: heads that hold samples out (for early stopping or to calibrate probabilities)
    always leave it on the training side. Callers that need more ask through
    ``min_samples_per_class``.

    Parameters
    ----------
    X : matrix of numbers, shape (n_samples, n_features)
        An array, a memory map or the lazy ``FeatureSet.X``; it is read in blocks.
    y : array-like, shape (n_samples,)
        Labels; with ``class_names``, indices into them, where -1 says "no label".
    class_names : sequence of str, optional
        Names for the messages.
    min_samples_per_class : int
        The least that every class that occurs must have.

    Raises
    ------
    TrainingDataError
        No rows or features, lengths that differ, unlabelled rows, one class only, a class with too
        few samples, NaN or infinity in ``X``.
    """
    labels = np.asarray(y)
    _check_shape(X, labels)
    if class_names is not None:
        _check_codes(labels, class_names)
    check_classes(labels, class_names, min_samples_per_class)
    check_finite(X)


def _check_shape(X: Any, labels: Any) -> None:
    if len(X.shape) != 2:
        raise TrainingDataError(
            f"X must have two dimensions (n_samples, n_features), not {X.shape}"
        )
    n_samples, n_features = X.shape
    if n_samples == 0:
        raise TrainingDataError("there is nothing to train on: X has no rows (0 samples)")
    if n_features == 0:
        raise TrainingDataError("there is nothing to train on: X has no columns (0 features)")
    if labels.shape != (n_samples,):
        raise TrainingDataError(f"X has {n_samples} rows but y has the shape {labels.shape}")


def _check_codes(labels: Any, class_names: Sequence[str]) -> None:
    if labels.dtype.kind not in "iu":
        raise TrainingDataError(f"y must hold indices of class names, not {labels.dtype}")
    n_unlabelled = int(np.count_nonzero(labels < 0))
    if n_unlabelled:
        raise TrainingDataError(
            f"{n_unlabelled} of {len(labels)} samples have no label. "
            "Train on labelled samples only: y must not hold -1."
        )
    if int(labels.max()) >= len(class_names):
        raise TrainingDataError(
            f"y holds the label {int(labels.max())}, but there are {len(class_names)} class names"
        )


def check_classes(
    labels: Any, class_names: Sequence[str] | None = None, min_samples_per_class: int = 1
) -> None:
    """Check that there are two classes or more, each with enough samples.

    Raises
    ------
    TrainingDataError
        One class only, or a class with too few samples.
    """
    found, counts = np.unique(labels, return_counts=True)
    names = [
        str(label) if class_names is None else class_names[int(label)] for label in found.tolist()
    ]
    if len(found) < 2:
        n_samples = len(labels)
        rows = "1 sample" if n_samples == 1 else f"{n_samples} samples"
        raise TrainingDataError(
            f"a head needs at least two classes, but there is only one class ({names[0]!r}) "
            f"in {rows}"
        )
    few = [
        f"{name!r} ({n})"
        for name, n in zip(names, counts.tolist(), strict=True)
        if n < min_samples_per_class
    ]
    if few:
        raise TrainingDataError(
            f"every class needs at least {min_samples_per_class} samples; too few in: "
            f"{', '.join(few)}. Add images to these classes or leave them out."
        )
