"""Checked training samples and their weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...cache.errors import ConfigError, TrainingDataError
from .row_blocks import Ints, compute_dtype, take_rows


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
    watched : Training, optional
        Samples that the caller holds out for early stopping.
    """

    X: Any
    y: Ints
    weight: NDArray[np.float64] | None
    n_classes: int
    sample_weight: NDArray[np.float64] | None = None
    watched: Training | None = None

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
        weight, sample_weight = (
            None if values is None else values[rows] for values in (self.weight, self.sample_weight)
        )
        X = take_rows(self.X, rows)
        return Training(X, self.y[rows], weight, self.n_classes, sample_weight)


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
    known = dict(zip(classes.tolist(), range(len(classes)), strict=True))
    unknown = [label for label in class_weight if label not in known]
    if unknown:
        raise ConfigError(f"class_weight names classes that are not in y: {unknown}")
    factors = np.ones(len(classes))
    for label, value in class_weight.items():
        factors[known[label]] = float(value)
    if not (np.isfinite(factors).all() and (factors > 0).all()):
        raise ConfigError(f"class weights must be above 0, not {dict(class_weight)!r}")
    return factors
