"""Tests of whether two models differ, on the rows that both were measured on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class McNemar:
    """McNemar's exact test of two classifiers' errors on the same rows.

    Attributes
    ----------
    only_a, only_b : int
        Rows that only the first, or only the second model gets right.
    p_value : float
        Two-sided.
    """

    only_a: int
    only_b: int
    p_value: float


def mcnemar(is_right_a: NDArray[np.bool_], is_right_b: NDArray[np.bool_]) -> McNemar:
    """Test whether two models are right equally often (McNemar 1947, Psychometrika 12:153).

    Under equality each row that only one model gets right is a fair coin toss, so the p value is
    that of an exact binomial test. Without such rows it is 1.

    Parameters
    ----------
    is_right_a, is_right_b : ndarray of bool, shape (n_samples,)
        Whether each model predicts the row's class.
    """
    from scipy.stats import binomtest

    only_a = int((is_right_a & ~is_right_b).sum())
    only_b = int((is_right_b & ~is_right_a).sum())
    n = only_a + only_b
    return McNemar(only_a, only_b, float(binomtest(only_a, n).pvalue) if n else 1.0)


@dataclass(frozen=True)
class DeLong:
    """DeLong's test of two areas under the ROC curve on the same rows.

    Attributes
    ----------
    auc_a, auc_b : float
    difference : float
        ``auc_b - auc_a``.
    interval : (low, high)
        95 % interval of the difference.
    p_value : float
        Two-sided.
    """

    auc_a: float
    auc_b: float
    difference: float
    interval: tuple[float, float]
    p_value: float


def delong(is_positive: NDArray[np.bool_], scores_a: Floats, scores_b: Floats) -> DeLong | None:
    """Compare two correlated areas under the ROC curve.

    DeLong, DeLong & Clarke-Pearson 1988, Biometrics 44:837. The placements come from ranks, as in
    Sun & Xu 2014, IEEE Signal Processing Letters 21:1389.

    Parameters
    ----------
    is_positive : ndarray of bool, shape (n_samples,)
    scores_a, scores_b : ndarray of float, shape (n_samples,)
        Larger for rows that the model holds to be positive.

    Returns
    -------
    DeLong or None
        None where there are fewer than two positive or two negative rows: the variance is
        undefined.
    """
    from scipy.stats import norm

    n_positive = int(is_positive.sum())
    n_negative = len(is_positive) - n_positive
    if min(n_positive, n_negative) < 2:
        return None
    scores = np.stack([scores_a, scores_b])
    positive = _placements(scores[:, is_positive], scores[:, ~is_positive])
    negative = 1 - _placements(scores[:, ~is_positive], scores[:, is_positive])
    auc_a, auc_b = positive.mean(axis=1).tolist()
    covariance = np.cov(positive) / n_positive + np.cov(negative) / n_negative
    difference = auc_b - auc_a
    deviation = float(np.sqrt(max(np.array([-1, 1]) @ covariance @ np.array([-1, 1]), 0.0)))
    half = float(norm.ppf(0.975)) * deviation
    if deviation:
        p_value = float(2 * norm.sf(abs(difference) / deviation))
    else:
        p_value = 1.0 if difference == 0 else 0.0
    return DeLong(auc_a, auc_b, difference, (difference - half, difference + half), p_value)


def _placements(scores: Floats, others: Floats) -> Floats:
    """Return the share of ``others`` below each score, ties counted half, ``(2, n_scores)``."""
    shares = np.empty(scores.shape, np.float64)
    for row, values, ordered in zip(shares, scores, np.sort(others, axis=1), strict=True):
        sides = np.searchsorted(ordered, values, "left") + np.searchsorted(ordered, values, "right")
        row[:] = sides / (2 * ordered.size)
    return shares


def bootstrap_p_value(differences: Floats) -> float:
    """Return the two-sided p value of "no difference" from paired bootstrap draws.

    It is twice the share of the draws on the smaller side of 0, and never below what so many draws
    can show (Davison & Hinkley 1997, Bootstrap Methods, section 4.2). Draws that leave the metric
    undefined, NaN, do not count.
    """
    defined = differences[~np.isnan(differences)]
    sides = [int((defined <= 0).sum()), int((defined >= 0).sum())]
    return min(1.0, 2 * (min(sides) + 1) / (len(defined) + 1))


def holm(p_values: Sequence[float]) -> list[float]:
    """Correct p values for having made several tests (Holm 1979, Scand. J. Statist. 6:65).

    Returns
    -------
    list of float
        Adjusted values in the order given: those of at most 0.05 hold jointly at 5 %.
    """
    order = np.argsort(p_values, kind="stable")
    n_tests = len(order)
    scaled = np.asarray(p_values, np.float64)[order] * (n_tests - np.arange(n_tests))
    adjusted = np.empty(n_tests)
    adjusted[order] = np.minimum(np.maximum.accumulate(scaled), 1.0)
    return [float(value) for value in adjusted]
