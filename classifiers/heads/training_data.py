"""Training samples, their weights and groups, and the checks that they can be learned from."""

from __future__ import annotations

from collections.abc import Sequence
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


def check_classes(labels: Any, class_names: Sequence[str] | None = None) -> None:
    """Check that there are two classes or more.

    A class with one sample is learned from that sample: heads that hold samples out (for early
    stopping or to calibrate probabilities) always leave it on the training side.

    Parameters
    ----------
    labels : ndarray, shape (n_samples,)
        With ``class_names``, indices into them.
    class_names : sequence of str, optional
        Names for the message.

    Raises
    ------
    TrainingDataError
        One class only.
    """
    classes = np.unique(labels).tolist()
    if len(classes) < 2:
        name = str(classes[0]) if class_names is None else class_names[int(classes[0])]
        n_samples = len(labels)
        rows = "1 sample" if n_samples == 1 else f"{n_samples} samples"
        raise TrainingDataError(
            f"a head needs at least two classes, but there is only one class ({name!r}) "
            f"in {rows}. Add images of another class"
        )
