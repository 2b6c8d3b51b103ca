"""Metrics of a head on one split."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

Z_95 = 1.959963984540054


def measure(y: NDArray[np.int64], probabilities: NDArray[Any]) -> dict[str, float]:
    """Return accuracy, macro F1 and AUC.

    Parameters
    ----------
    y : ndarray of int64, shape (n_samples,)
        True classes, columns of ``probabilities``.
    probabilities : ndarray of float, shape (n_samples, n_classes)

    Returns
    -------
    dict
        ``accuracy``, ``f1`` (mean over the classes that occur) and ``auc`` (area under the ROC
        curve; one against the rest, mean over classes), each in [0, 1]. ``auc`` is left out where
        a class does not occur in ``y``.
    """
    from sklearn.metrics import accuracy_score, f1_score

    predicted = probabilities.argmax(axis=1)
    metrics = {
        "accuracy": float(accuracy_score(y, predicted)),
        "f1": float(f1_score(y, predicted, average="macro", labels=np.unique(y), zero_division=0)),
    }
    auc = _auc(y, probabilities)
    if auc is not None:
        metrics["auc"] = auc
    return metrics


def wilson_interval(share: float, n: int) -> tuple[float, float]:
    """Return the 95 % interval of a share of ``n`` (Wilson 1927, JASA 22:209)."""
    if n == 0:
        return 0.0, 1.0
    z2 = Z_95**2
    middle = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = Z_95 * math.sqrt(share * (1 - share) / n + z2 / (4 * n * n)) / (1 + z2 / n)
    return max(0.0, middle - half), min(1.0, middle + half)


def _auc(y: NDArray[np.int64], probabilities: NDArray[Any]) -> float | None:
    """Return the area under the ROC curve, from ranks (Mann & Whitney 1947): ties share theirs."""
    from scipy.stats import rankdata

    n_classes = probabilities.shape[1]
    counts = np.bincount(y, minlength=n_classes)
    if not counts.all() or n_classes < 2:
        return None
    ranks = rankdata(probabilities, axis=0)
    sums = np.array([ranks[y == label, label].sum() for label in range(n_classes)])
    areas = (sums / counts - (counts + 1) / 2) / (len(y) - counts)
    return float(areas[1] if n_classes == 2 else areas.mean())
