import warnings

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.utils.estimator_checks import check_estimator

from featx.classifiers.solver.calibrate import fit_temperature
from featx.classifiers.solver.estimators import LinearSVMHead, LogisticHead, stratified_folds

HEADS = [LogisticHead, LinearSVMHead]
EXCEPTIONS = {
    "check_sample_weight_equivalence_on_dense_data": "asks for seven equal digits, more than "
    "float32 products and a tolerance of 1e-6 leave; repeats also change the calibration folds",
}


@pytest.mark.parametrize("head", HEADS)
def test_head_passes_check_estimator(head):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        check_estimator(head(), expected_failed_checks=EXCEPTIONS)


def test_logistic_head_predicts_as_scikit_learn(data):
    X, y = data
    names = np.array(["ant", "bee", "cow", "dog"])[y]
    head = LogisticHead(C=0.1, tol=1e-7, class_weight="balanced").fit(X, names)
    peer = LogisticRegression(C=0.1, tol=1e-8, max_iter=5000, class_weight="balanced")
    peer.fit(X, names)
    np.testing.assert_array_equal(head.predict(X), peer.predict(X))
    np.testing.assert_allclose(head.predict_proba(X), peer.predict_proba(X), atol=2e-3)


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("n_classes", [2, 4])
def test_most_probable_class_is_the_predicted_one(data, head, n_classes):
    X, y = data
    fitted = head(C=0.1).fit(X, y % n_classes)
    chance = fitted.predict_proba(X)
    np.testing.assert_allclose(chance.sum(axis=1), 1)
    np.testing.assert_array_equal(fitted.classes_[chance.argmax(axis=1)], fitted.predict(X))
    assert fitted.coef_.shape == (n_classes if n_classes > 2 else 1, 12)


def test_svm_probabilities_are_calibrated(data):
    X, y = data
    head = LinearSVMHead(C=0.1).fit(X[::2], y[::2])
    chance = head.predict_proba(X[1::2])
    accuracy = (head.predict(X[1::2]) == y[1::2]).mean()
    assert abs(chance.max(axis=1).mean() - accuracy) < 0.1


def test_svm_without_calibration_says_why(data):
    head = LinearSVMHead(C=0.1, calibration_folds=0).fit(*data)
    with pytest.raises(ValueError, match="calibration_folds"):
        head.predict_proba(data[0])


def test_svm_with_a_class_of_one_sample_still_gives_probabilities(data):
    X, y = data
    y = y.copy()
    y[0] = 9
    head = LinearSVMHead(C=0.1).fit(X, y)
    assert np.isfinite(head.predict_proba(X)).all()


def test_class_weight_that_empties_a_class_is_refused(data):
    with pytest.raises(ValueError, match="class"):
        LogisticHead(class_weight={0: 0.0}).fit(*data)


def test_unfinished_fit_warns(data):
    with pytest.warns(ConvergenceWarning, match="max_iter"):
        LogisticHead(max_iter=1).fit(*data)


def test_folds_are_even_and_stratified():
    codes = np.repeat([0, 1], [40, 5])
    folds = stratified_folds(codes, np.ones(45, np.float32), 5, 0)
    for k, expected in ((0, 8), (1, 1)):
        assert np.bincount(folds[codes == k]).tolist() == [expected] * 5
    one = np.repeat([0, 1], [40, 1])
    assert set(stratified_folds(one, np.ones(41, np.float32), 5, 0)) == {-1}


def test_temperature_recovers_a_known_slope():
    generator = np.random.default_rng(0)
    z = generator.standard_normal((20_000, 1))
    codes = (generator.random(20_000) < 1 / (1 + np.exp(-3 * z[:, 0]))).astype(np.int64)
    found = fit_temperature(z, codes, np.ones(20_000))
    assert found.slope == pytest.approx(3, rel=0.05)
