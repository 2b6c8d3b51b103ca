"""Training samples, their weights and groups, and the checks that they can be learned from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...cache.errors import ConfigError, TrainingDataError
from .row_blocks import Ints, check_finite, compute_dtype, take_rows


@dataclass(frozen=True)
class Training:
    """Checked training samples.

    Attributes
    ----------
    X : matrix, shape (n_samples, n_features)
        Finite numbers; an array, a memory map or lazy.
    y : ndarray of int64, shape (n_samples,)
        Class indices.
    weight : ndarray of float64, shape (n_samples,), or None
        Above zero, class weights included; None where every sample counts alike.
    n_classes : int
    sample_weight : ndarray of float64, shape (n_samples,), or None
        Without class weights: they move the loss, not the scale of the features.
    groups : ndarray of int64, shape (n_samples,), or None
        Samples of one number are held out together.
    watched : Training, optional
        Samples that the caller sets aside for early stopping.
    widths : tuple of int
        Number of columns of each set of features that stands in ``X``; one or none: a single set.
    """

    X: Any
    y: Ints
    weight: NDArray[np.float64] | None
    n_classes: int
    sample_weight: NDArray[np.float64] | None = None
    groups: Ints | None = None
    watched: Training | None = None
    widths: tuple[int, ...] = ()

    @property
    def dtype(self) -> np.dtype[Any]:
        """Format to train in: float64 for float64 features, else float32."""
        return compute_dtype(self.X.dtype)

    @property
    def weights(self) -> NDArray[np.float64]:
        """The samples' weights, ones where every sample counts alike."""
        return np.ones(len(self.y)) if self.weight is None else self.weight

    def take(self, rows: Ints) -> Training:
        """Return some of the samples."""

        def part(values: NDArray[Any] | None) -> Any:
            return None if values is None else values[rows]

        return Training(
            X=take_rows(self.X, rows),
            y=self.y[rows],
            weight=part(self.weight),
            n_classes=self.n_classes,
            sample_weight=part(self.sample_weight),
            groups=part(self.groups),
            widths=self.widths,
        )


def checked_weight(sample_weight: Any, n_samples: int) -> NDArray[np.float64] | None:
    """Return sample weights as float64 ``(n_samples,)``.

    Raises
    ------
    TrainingDataError
        They have another shape, are negative or not finite, or are all zero.
    """
    if sample_weight is None:
        return None
    weight = np.asarray(sample_weight, np.float64)
    if weight.ndim == 0:
        weight = np.full(n_samples, float(weight))
    if weight.shape != (n_samples,):
        raise TrainingDataError(f"sample_weight.shape == {weight.shape}, expected {(n_samples,)}")
    if not np.isfinite(weight).all() or (weight < 0).any():
        raise TrainingDataError("sample_weight must be finite and not negative")
    if not weight.any():
        raise TrainingDataError("all sample weights are zero: there is not one class to learn")
    return weight


def checked_groups(groups: Any, n_samples: int) -> Ints | None:
    """Return groups as int64 ``(n_samples,)``; None where every sample is a group of its own.

    Raises
    ------
    TrainingDataError
        They have another shape.
    """
    if groups is None:
        return None
    labels = np.asarray(groups)
    if labels.shape != (n_samples,):
        raise TrainingDataError(f"groups.shape == {labels.shape}, expected {(n_samples,)}")
    names, codes = np.unique(labels, return_inverse=True)
    return None if len(names) == n_samples else codes.astype(np.int64)


def checked_widths(widths: Sequence[int], X: Any) -> tuple[int, ...]:
    """Return the widths of the sets that stand side by side in ``X``.

    Raises
    ------
    TrainingDataError
        They do not add up to its columns.
    """
    checked = tuple(int(width) for width in widths)
    if checked and (sum(checked) != X.shape[1] or min(checked) < 1):
        raise TrainingDataError(f"widths {checked} do not add up to the {X.shape[1]} columns of X")
    return checked


def class_factors(class_weight: Any, classes: NDArray[Any], data: Training) -> NDArray[np.float64]:
    """Return a weight for each class, ``(n_classes,)``.

    ``balanced`` gives every class the same total.

    Raises
    ------
    ConfigError
        A class is not in ``y``, or its weight is not above zero.
    """
    if isinstance(class_weight, str):
        totals = np.bincount(data.y, weights=data.weights, minlength=len(classes))
        factors: NDArray[np.float64] = totals.sum() / (len(classes) * totals)
        return factors
    indices = dict(zip(classes.tolist(), range(len(classes)), strict=True))
    unknown = [label for label in class_weight if label not in indices]
    if unknown:
        raise ConfigError(f"class_weight names classes that are not in y: {unknown}")
    factors = np.ones(len(classes))
    for label, value in class_weight.items():
        factors[indices[label]] = float(value)
    if not (np.isfinite(factors).all() and (factors > 0).all()):
        raise ConfigError(f"class weights must be above 0, not {dict(class_weight)!r}")
    return factors


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
    classes, counts = np.unique(labels, return_counts=True)
    names = [
        str(label) if class_names is None else class_names[int(label)] for label in classes.tolist()
    ]
    if len(classes) < 2:
        n_samples = len(labels)
        rows = "1 sample" if n_samples == 1 else f"{n_samples} samples"
        raise TrainingDataError(
            f"a head needs at least two classes, but there is only one class ({names[0]!r}) "
            f"in {rows}. Add images of another class"
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
