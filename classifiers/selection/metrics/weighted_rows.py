"""Rows with true classes, probabilities and weights: the sums that all metrics are made of.

A metric is computed for several columns of weights at once. One column of ones gives its value. A
thousand columns of counts give a bootstrap: a row that was drawn twice has the weight 2. So each
formula stands once, and the tests hold it to scikit-learn's, which takes one sample at a time.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]
"""A number for each column of weights, ``(n_draws,)``; NaN where it is undefined."""


class WeightedRows:
    """Judged rows under one or several columns of weights.

    Parameters
    ----------
    y : ndarray of int64, shape (n_samples,)
        True classes, columns of ``probabilities``.
    probabilities : ndarray of float, shape (n_samples, n_classes)
    weights : ndarray, shape (n_samples, n_draws), optional
        How often each row counts, not negative; default: one column of ones. Sums have its number
        format: float32 is enough for draws.
    class_names : sequence of str
        For metrics that name a class.
    """

    def __init__(
        self,
        y: NDArray[np.int64],
        probabilities: NDArray[Any],
        weights: Any = None,
        class_names: Sequence[str] = (),
    ) -> None:
        self.y, self.probabilities, self.class_names = y, probabilities, class_names
        self.weights: NDArray[Any] = np.ones((len(y), 1)) if weights is None else weights

    @property
    def n_classes(self) -> int:
        """Number of classes."""
        return int(self.probabilities.shape[1])

    @cached_property
    def predicted(self) -> NDArray[np.int64]:
        """The most probable class of each row, ``(n_samples,)``."""
        best: NDArray[np.int64] = self.probabilities.argmax(axis=1)
        return best

    @cached_property
    def is_right(self) -> NDArray[np.bool_]:
        """Whether the most probable class is the true one, ``(n_samples,)``."""
        right: NDArray[np.bool_] = self.predicted == self.y
        return right

    @cached_property
    def of_true_class(self) -> NDArray[Any]:
        """The probability of each row's true class, ``(n_samples,)``."""
        return self.probabilities[np.arange(len(self.y)), self.y]

    @cached_property
    def total(self) -> Values:
        """The sum of the weights."""
        return np.asarray(self.weights.sum(axis=0), np.float64)

    def mean(self, values: NDArray[Any]) -> Values:
        """Return the weighted mean of a number for each row."""
        sums = np.ascontiguousarray(values, self.weights.dtype) @ self.weights
        return np.asarray(sums, np.float64) / self.total

    def sums(self, labels: NDArray[np.int64], n: int, values: Any = None) -> NDArray[np.float64]:
        """Sum weights, times ``values``, over the rows of each of ``n`` labels, ``(n, n_draws)``.

        Rows whose label is ``n`` are left out.
        """
        if self.weights.shape[1] == 1:
            column = self.weights[:, 0] if values is None else self.weights[:, 0] * values
            return np.asarray(np.bincount(labels, column, n + 1)[:n, None], np.float64)
        from scipy.sparse import csr_array

        order = np.argsort(labels, kind="stable")
        order = order[: np.searchsorted(labels, n, sorter=order)]
        starts = np.concatenate([[0], np.cumsum(np.bincount(labels[order], minlength=n))])
        data = np.ones(len(order)) if values is None else values[order]
        data = data.astype(self.weights.dtype)
        adding = csr_array((data, order, starts), shape=(n, len(labels)))
        return np.asarray(adding @ self.weights, np.float64)

    @cached_property
    def n_true(self) -> NDArray[np.float64]:
        """Rows of each class, ``(n_classes, n_draws)``."""
        return self.sums(self.y, self.n_classes)

    @cached_property
    def n_predicted(self) -> NDArray[np.float64]:
        """Rows that are predicted to be of each class, ``(n_classes, n_draws)``."""
        return self.sums(self.predicted, self.n_classes)

    @cached_property
    def n_right(self) -> NDArray[np.float64]:
        """Rows of each class that are predicted so, ``(n_classes, n_draws)``."""
        return self.sums(np.where(self.is_right, self.y, self.n_classes), self.n_classes)

    @cached_property
    def precision(self) -> NDArray[np.float64]:
        """Share of a class among the rows predicted so; NaN without such, ``(n_classes, …)``."""
        return ratio(self.n_right, self.n_predicted)

    @cached_property
    def recall(self) -> NDArray[np.float64]:
        """Share of a class's rows that are predicted so; NaN without rows, ``(n_classes, …)``."""
        return ratio(self.n_right, self.n_true)

    @cached_property
    def f1(self) -> NDArray[np.float64]:
        """Harmonic mean of precision and recall; NaN for absent classes, ``(n_classes, …)``."""
        values = ratio(2 * self.n_right, self.n_true + self.n_predicted)
        return np.where(self.n_true > 0, values, np.nan)

    @cached_property
    def areas(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Area under the ROC curve and average precision of each class, ``(n_classes, n_draws)``.

        Of one class against the rest; NaN where a class or its rest is absent.
        """
        areas = [self.areas_of(label) for label in range(self.n_classes)]
        return np.array([auc for auc, _ in areas]), np.array([ap for _, ap in areas])

    def areas_of(self, label: int) -> tuple[Values, Values]:
        """Return the area under the ROC curve, and average precision, of one class, ``(n_draws,)``.

        Both are sums over the levels of the scores that positive rows have, ascending. The first
        counts for each positive row the negative ones below it, ties half (Mann & Whitney 1947).
        The second averages the precision at each positive row, ties together.
        """
        scores, is_positive = self.probabilities[:, label], self.y == label
        levels = np.unique(scores[is_positive])
        n = len(levels)
        if not n:
            absent = np.full(self.weights.shape[1], np.nan)
            return absent, absent
        level = np.searchsorted(levels, scores, "right")  # 0: below all positive rows
        is_level = levels[np.maximum(level - 1, 0)] == scores
        positive = self.sums(np.where(is_positive, level - 1, n), n)
        tied = self.sums(np.where(is_level & ~is_positive, level - 1, n), n)
        negative = self.sums(np.where(is_positive, n + 1, level), n + 1)
        below = np.cumsum(negative, axis=0)
        n_negative, n_positive = below[-1], positive.sum(axis=0)
        wins = np.einsum("ij,ij->j", positive, below[:-1] + tied / 2)
        above = np.cumsum(positive[::-1], axis=0)[::-1]
        precision = above / np.maximum(above + n_negative - below[:-1], 1e-300)
        average = np.einsum("ij,ij->j", positive, precision)
        return ratio(wins, n_positive * n_negative), ratio(average, n_positive)


def ratio(numerator: NDArray[Any], denominator: NDArray[Any]) -> NDArray[np.float64]:
    """Divide; 0 / 0 is NaN."""
    result = np.full(numerator.shape, np.nan)
    np.divide(numerator, denominator, out=result, where=denominator > 0)
    return result


def mean_over_classes(values: NDArray[np.float64], mask: NDArray[np.bool_]) -> Values:
    """Average ``(n_classes, n_draws)`` over the classes of the mask; NaN where one is undefined."""
    total = np.where(mask, values, 0).sum(axis=0)
    return ratio(total, mask.sum(axis=0).astype(np.float64))
