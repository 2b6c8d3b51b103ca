"""LDA against scikit-learn's, and what it shares in a grid."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from featx.classifiers.heads.closed_form.lda import LDAHead
from featx.classifiers.heads.joint_fit import fit_many


@pytest.mark.parametrize("shrinkage", ["auto", 0.0, 0.1, 0.9])
@pytest.mark.parametrize("n_samples", [200, 1300])
def test_lda_equals_scikit_learn(digits, shrinkage, n_samples):
    rng = np.random.default_rng(0)
    X = digits.X[:n_samples].astype(np.float64) + rng.normal(size=(n_samples, 64))
    y = digits.y[:n_samples]
    peer = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=shrinkage).fit(X, y)
    head = LDAHead(shrinkage, standardize=False).fit(X, y)
    np.testing.assert_allclose(head.coef_, peer.coef_, rtol=1e-6, atol=1e-9)
    X_test = digits.X_test.astype(np.float64)
    np.testing.assert_allclose(head.predict_proba(X_test), peer.predict_proba(X_test), atol=1e-9)


def test_standardised_lda_equals_scikit_learn_on_scaled_features(digits):
    X, X_test = (part.astype(np.float64) for part in digits.standardised())
    peer = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto").fit(X, digits.y)
    head = LDAHead().fit(digits.X.astype(np.float64), digits.y)
    expected = peer.predict_proba(X_test)
    # The digits' border is constant in whole classes; both give it the variance 1.
    np.testing.assert_allclose(head.predict_proba(digits.X_test), expected, atol=1e-4)
    single = LDAHead().fit(digits.X, digits.y)
    np.testing.assert_allclose(single.predict_proba(digits.X_test), expected, atol=5e-3)


def test_lda_of_two_classes_equals_scikit_learn(digits):
    rows = digits.y < 2
    X = digits.X[rows].astype(np.float64)
    peer = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=0.2).fit(X, digits.y[rows])
    head = LDAHead(0.2, standardize=False).fit(X, digits.y[rows])
    np.testing.assert_allclose(head.coef_, peer.coef_, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(head.decision_function(X), peer.decision_function(X), atol=1e-6)


def test_weights_are_repeats(digits):
    weight = np.random.default_rng(0).integers(0, 3, len(digits.y))
    X = digits.X.astype(np.float64)
    repeated = np.repeat(np.arange(len(X)), weight)
    for shrinkage in ("auto", 0.3):
        weighted = LDAHead(shrinkage).fit(X, digits.y, weight)
        plain = LDAHead(shrinkage).fit(X[repeated], digits.y[repeated])
        np.testing.assert_allclose(weighted.coef_, plain.coef_, rtol=1e-6, atol=1e-8)


def test_uniform_priors_are_the_nearest_mean_in_whitened_features(digits):
    rows = np.flatnonzero((digits.y < 3) | (np.arange(len(digits.y)) % 4 == 0))
    X, y = digits.X[rows].astype(np.float64), digits.y[rows]
    head = LDAHead(0.3, priors="uniform", standardize=False).fit(X, y)
    means = np.stack([X[y == label].mean(axis=0) for label in range(10)])
    covariance = np.mean([np.cov(X[y == k].T, bias=True) for k in range(10)], axis=0)
    shrunk = 0.7 * covariance + 0.3 * np.trace(covariance) / 64 * np.eye(64)
    whitening = np.linalg.inv(np.linalg.cholesky(shrunk)).T
    gaps = (digits.X_test @ whitening)[:, None] - means @ whitening
    np.testing.assert_array_equal(head.predict(digits.X_test), (gaps**2).sum(2).argmin(axis=1))


def test_class_weights_move_the_priors(digits):
    plain, weighted = (LDAHead(class_weight=w).fit(digits.X, digits.y) for w in (None, {3: 50.0}))
    gap = weighted.intercept_ - plain.intercept_
    assert gap.argmax() == 3


def test_a_grid_equals_each_head_alone(digits):
    grid = [LDAHead("auto"), LDAHead(0.1), LDAHead(0.5), LDAHead(0.5, priors="uniform")]
    for head, own in zip(grid, fit_many([clone(h) for h in grid], digits.X, digits.y), strict=True):
        np.testing.assert_array_equal(own.coef_, clone(head).fit(digits.X, digits.y).coef_)
