"""Heads against scikit-learn's estimators of the same name."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.metrics import log_loss
from sklearn.neighbors import KNeighborsClassifier, NearestCentroid
from sklearn.preprocessing import normalize
from sklearn.svm import SVC, LinearSVC

from featx.classifiers.heads.closed_form.centroid import CentroidHead
from featx.classifiers.heads.closed_form.ridge import RidgeHead
from featx.classifiers.heads.linear.heads import LinearSVMHead, LogisticHead
from featx.classifiers.heads.neighbours.knn import KNNHead
from featx.classifiers.heads.neighbours.neighbours import nearest_columns
from featx.classifiers.heads.svm import train
from featx.classifiers.heads.svm.rbf_svm import RBFSVMHead


def agreement(head, X_test, expected):
    return float(np.mean(head.predict(X_test) == expected))


def two_classes(digits):
    train, test = digits.y < 2, digits.y_test < 2
    return digits.X[train], digits.y[train], digits.X_test[test], digits.y_test[test]


@pytest.mark.parametrize("weighted", [False, True])
def test_logreg_reaches_the_optimum_of_scikit_learn(digits, weighted):
    weight = np.random.default_rng(0).integers(1, 4, len(digits.X)) if weighted else None
    X, X_test = digits.standardised(weight)
    peer = LogisticRegression(C=0.01, tol=1e-8, max_iter=5000).fit(X, digits.y, weight)
    head = LogisticHead(0.01, tol=1e-9).fit(digits.X, digits.y, weight)
    assert head.converged_
    np.testing.assert_allclose(
        head.predict_proba(digits.X_test), peer.predict_proba(X_test), atol=3e-3
    )


def test_linear_svm_reaches_the_optimum_of_scikit_learn(digits):
    X, X_test = digits.standardised()
    peer = LinearSVC(C=0.01, intercept_scaling=100, tol=1e-8, dual=False).fit(X, digits.y)
    head = LinearSVMHead(0.01, tol=1e-9).fit(digits.X, digits.y)
    difference = head.decision_function(digits.X_test) - peer.decision_function(X_test)
    assert np.abs(difference).max() < 0.02
    assert agreement(head, digits.X_test, peer.predict(X_test)) > 0.99


@pytest.mark.parametrize("class_weight", [None, "balanced", {3: 5.0}])
def test_svm_decides_as_scikit_learn(digits, class_weight):
    X, X_test = digits.standardised()
    peer = SVC(C=3.0, tol=1e-6, break_ties=True, class_weight=class_weight).fit(X, digits.y)
    head = RBFSVMHead(3.0, tol=1e-6, class_weight=class_weight).fit(digits.X, digits.y)
    np.testing.assert_allclose(
        head.decision_function(digits.X_test), peer.decision_function(X_test), atol=2e-3
    )
    assert agreement(head, digits.X_test, peer.predict(X_test)) == 1.0


def test_svm_of_two_classes_decides_as_scikit_learn(digits):
    X, y, X_test, _ = two_classes(digits)
    peer = SVC(C=3.0, gamma=0.001).fit(X, y)
    head = RBFSVMHead(3.0, 0.001, standardize=False).fit(X, y)
    np.testing.assert_allclose(
        head.decision_function(X_test), peer.decision_function(X_test), atol=2e-3
    )


def test_svm_in_pairs_of_classes_equals_the_whole(digits, monkeypatch):
    whole = RBFSVMHead(3.0).fit(digits.X, digits.y)
    monkeypatch.setattr(train, "WHOLE_BYTES", 0)
    pairs = RBFSVMHead(3.0).fit(digits.X, digits.y)
    np.testing.assert_array_equal(pairs.n_support_, whole.n_support_)
    np.testing.assert_allclose(pairs.dual_coef_, whole.dual_coef_, atol=1e-5)
    np.testing.assert_allclose(pairs.temperature_, whole.temperature_, rtol=1e-4)


@pytest.mark.parametrize("head", [RBFSVMHead(), LinearSVMHead(), RidgeHead()])
def test_svm_probabilities_are_calibrated_and_keep_the_decision(digits, head):
    head.fit(digits.X, digits.y)
    probability = head.predict_proba(digits.X_test)
    decision = head.decision_function(digits.X_test)
    np.testing.assert_array_equal(probability.argmax(axis=1), decision.argmax(axis=1))
    sure = probability.max(axis=1)
    right = probability.argmax(axis=1) == digits.y_test
    assert abs(sure.mean() - right.mean()) < 0.06
    assert log_loss(digits.y_test, probability) < 0.4


@pytest.mark.parametrize("weighted", [False, True])
def test_ridge_equals_scikit_learn(digits, weighted):
    weight = np.random.default_rng(0).uniform(0.5, 2, len(digits.X)) if weighted else None
    X = digits.X.astype(np.float64)
    peer = RidgeClassifier(alpha=10.0).fit(X, digits.y, sample_weight=weight)
    head = RidgeHead(10.0, standardize=False).fit(X, digits.y, weight)
    np.testing.assert_allclose(head.coef_, peer.coef_, atol=1e-9)
    np.testing.assert_allclose(head.intercept_, peer.intercept_, atol=1e-9)


def test_ridge_temperature_comes_from_leaving_one_out(digits):
    rows = np.arange(0, 120)
    X, y = digits.X[rows].astype(np.float64), digits.y[rows]
    kept = []
    for i in rows:
        rest = rows != i
        kept.append(RidgeClassifier(alpha=50.0).fit(X[rest], y[rest]).decision_function(X[[i]])[0])
    from featx.classifiers.heads.calibration import fit_temperature

    head = RidgeHead(50.0, standardize=False).fit(X, y)
    assert head.temperature_ == pytest.approx(fit_temperature(np.array(kept), y), rel=1e-4)


@pytest.mark.parametrize("weights", ["uniform", "distance"])
@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_knn_equals_scikit_learn(digits, weights, metric):
    X, X_test = digits.standardised()
    if metric == "cosine":
        X, X_test = normalize(X), normalize(X_test)
    peer = KNeighborsClassifier(5, weights=weights).fit(X, digits.y)
    head = KNNHead(5, weights=weights, metric=metric).fit(digits.X, digits.y)
    np.testing.assert_allclose(
        head.predict_proba(digits.X_test), peer.predict_proba(X_test), atol=1e-4
    )


def test_knn_says_what_it_was_told_for_a_training_sample(digits):
    head = KNNHead(5).fit(digits.X, digits.y)
    np.testing.assert_array_equal(head.predict(digits.X), digits.y)


@pytest.mark.parametrize("n_columns", [64, 1000, 4099])
def test_nearest_columns_finds_the_smallest(n_columns):
    distance = np.random.default_rng(0).random((30, n_columns)).astype(np.float32)
    found = np.take_along_axis(distance, nearest_columns(distance, 7), axis=1)
    expected = np.sort(distance, axis=1)[:, :7]
    np.testing.assert_array_equal(np.sort(found, axis=1), expected)


def test_centroid_equals_scikit_learn(digits):
    X, X_test = digits.standardised()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it minds features that are constant within a class
        peer = NearestCentroid().fit(X, digits.y)
    head = CentroidHead().fit(digits.X, digits.y)
    assert agreement(head, digits.X_test, peer.predict(X_test)) == 1.0


def test_centroid_temperature_comes_from_leaving_one_out(digits):
    from featx.classifiers.heads.calibration import fit_temperature

    X, y = digits.X[:150].astype(np.float64), digits.y[:150]
    decisions = []
    for i in range(150):
        rest = np.arange(150) != i
        centroids = np.stack([X[rest & (y == label)].mean(axis=0) for label in range(10)])
        decisions.append(-np.square(centroids - X[i]).sum(axis=1))
    head = CentroidHead(standardize=False).fit(X, y)
    assert head.temperature_ == pytest.approx(fit_temperature(np.array(decisions), y), rel=1e-5)
