"""Heads that are fitted together equal heads that are fitted alone."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import clone

from featx.cache.errors import ConfigError
from featx.classifiers.heads.closed_form.centroid import CentroidHead
from featx.classifiers.heads.closed_form.projection import RandomProjectionHead
from featx.classifiers.heads.closed_form.ridge import RidgeHead
from featx.classifiers.heads.dense.dense_head import DenseHead
from featx.classifiers.heads.joint_fit import families, fit_many, predict_many
from featx.classifiers.heads.linear.heads import LinearSVMHead, LogisticHead
from featx.classifiers.heads.neighbours.knn import KNNHead
from featx.classifiers.heads.svm.rbf_svm import RBFSVMHead

EXACT = [
    RBFSVMHead(1.0),
    RBFSVMHead(10.0),
    CentroidHead(),
    RBFSVMHead(1.0, 0.01),
    RidgeHead(1.0),
    RidgeHead(100.0),
    RandomProjectionHead(10.0, width=64),
    RandomProjectionHead(100.0, width=64),
    DenseHead("softmax", epochs=2),
    KNNHead(3),
    KNNHead(15, weights="uniform"),
]
CLOSE = [LogisticHead(1e-3), LogisticHead(1e-1), LinearSVMHead(1e-4), LinearSVMHead(1e-2)]


def test_families_share_all_but_their_shared_parameters():
    heads = [*EXACT, RidgeHead(1.0, class_weight="balanced"), *CLOSE]
    sizes = [len(group) for group in families(heads)]
    assert sizes == [3, 1, 2, 2, 1, 2, 1, 2, 2]


def test_a_generator_that_moves_on_is_not_shared():
    state = np.random.RandomState(0)
    heads = [DenseHead(lr=lr, random_state=state) for lr in (0.1, 0.2)]
    assert [len(group) for group in families(heads)] == [1, 1]


@pytest.mark.parametrize("n_classes", [2, 10])
def test_fitted_together_equals_fitted_alone(n_classes, digits):
    rows = digits.y < n_classes
    X, y = digits.X[rows][:500], digits.y[rows][:500]
    weight = np.random.default_rng(0).integers(1, 3, len(y))
    together = fit_many([clone(head) for head in EXACT], X, y, weight)
    predicted = predict_many(together, digits.X_test)
    for head, found, probabilities in zip(EXACT, together, predicted, strict=True):
        alone = clone(head).fit(X, y, weight)
        assert found.get_params() == alone.get_params()
        expected = alone.predict_proba(digits.X_test)
        np.testing.assert_array_equal(found.predict_proba(digits.X_test), expected)
        np.testing.assert_array_equal(probabilities, expected)


def test_neighbours_found_together_are_counted_in_one_copy(digits):
    first, second = fit_many([KNNHead(3), KNNHead(15)], digits.X, digits.y)
    assert first.samples_ is second.samples_
    empty = predict_many([first, second], digits.X_test[:0])
    assert [found.shape for found in empty] == [(0, 10), (0, 10)]


def test_linear_heads_fitted_together_are_close_to_fitted_alone(digits):
    together = fit_many([clone(head).set_params(tol=1e-8) for head in CLOSE], digits.X, digits.y)
    for head, found in zip(CLOSE, together, strict=True):
        alone = clone(head).set_params(tol=1e-8).fit(digits.X, digits.y)
        difference = found.predict_proba(digits.X_test) - alone.predict_proba(digits.X_test)
        assert np.abs(difference).max() < 0.01


def test_a_bad_parameter_stops_before_anything_is_fitted(digits):
    heads = [CentroidHead(), RidgeHead(-1.0)]
    with pytest.raises(ConfigError, match="alpha"):
        fit_many(heads, digits.X, digits.y)
    assert not hasattr(heads[0], "classes_")
