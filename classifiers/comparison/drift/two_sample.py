"""A classifier two-sample test: can a classifier tell the rows of two samples apart?

Lopez-Paz and Oquab 2017, arXiv:1610.06545. Its effect is the area under the ROC curve on rows that
it did not learn from: 0.5 is chance, and more rows do not raise it. The p value comes from
permutations of the samples.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

N_FOLDS, N_PERMUTATIONS = 5, 199
RIDGE = 1e-2


@dataclass(frozen=True)
class TwoSampleTest:
    """How well two samples can be told apart.

    Attributes
    ----------
    auc : float
        In how many pairs, one of each sample, the classifier tells which is which.
    p_value : float
        How often samples of one distribution are told apart as well.
    """

    auc: float
    p_value: float


def two_sample_test(
    A: NDArray[np.float64], B: NDArray[np.float64], random_state: int = 0
) -> TwoSampleTest:
    """Test whether two samples come from one distribution.

    The classifier is linear, by least squares, on the columns and their squares: it sees shifts and
    changes of spread.

    Parameters
    ----------
    A, B : ndarray of float64, shapes (n, n_features) and (m, n_features)
    random_state : int
        Of folds and permutations.
    """
    rng = np.random.default_rng(random_state)
    X = _standardised(np.concatenate([A, B]))
    X = _standardised(np.hstack([X, X**2]))
    is_b = np.repeat([False, True], [len(A), len(B)])
    folds = np.array_split(rng.permutation(len(X)), N_FOLDS)
    labels = np.stack([is_b, *(rng.permutation(is_b) for _ in range(N_PERMUTATIONS))])
    aucs = _held_out_aucs(X, labels, folds)
    p_value = float((1 + (aucs[1:] >= aucs[0]).sum()) / (1 + N_PERMUTATIONS))
    return TwoSampleTest(float(aucs[0]), p_value)


def _standardised(X: NDArray[np.float64]) -> NDArray[np.float64]:
    spread = X.std(axis=0)
    scaled: NDArray[np.float64] = (X - X.mean(axis=0)) / np.where(spread > 0, spread, 1)
    return scaled


def _held_out_aucs(
    X: NDArray[np.float64], labels: NDArray[np.bool_], folds: list[NDArray[np.int64]]
) -> NDArray[np.float64]:
    """Return the area for each labelling ``(n_labellings,)``: the mean over the folds."""
    totals, n_defined = np.zeros(len(labels)), np.zeros(len(labels))
    targets = labels.astype(np.float64).T
    for fold in folds:
        learned = np.ones(len(X), np.bool_)
        learned[fold] = False
        inputs = X[learned]
        penalty = RIDGE * len(inputs) * np.eye(X.shape[1])
        centred = targets[learned] - targets[learned].mean(axis=0)
        weights = np.linalg.solve(inputs.T @ inputs + penalty, inputs.T @ centred)
        aucs = _areas(X[fold] @ weights, labels[:, fold].T)
        is_defined = ~np.isnan(aucs)
        totals[is_defined] += aucs[is_defined]
        n_defined += is_defined
    return totals / np.maximum(n_defined, 1)


def _areas(scores: NDArray[np.float64], is_b: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the area under the ROC curve of each column; NaN where a sample is absent."""
    from scipy.stats import rankdata

    n_b = is_b.sum(axis=0)
    n_a = len(is_b) - n_b
    ranks = np.where(is_b, rankdata(scores, axis=0), 0).sum(axis=0)
    wins = ranks - n_b * (n_b + 1) / 2
    pairs = n_a * n_b
    return np.where(pairs > 0, wins / np.maximum(pairs, 1), np.nan)
