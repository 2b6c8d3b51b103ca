"""Rows of a group that weigh one together, as an image with its views, count as one sample."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from featx.classifiers.heads.base import Head
from featx.classifiers.heads.calibration import fit_temperature
from featx.classifiers.heads.closed_form.left_out import CALIBRATION_ROWS, left_out_groups
from featx.classifiers.heads.registry import make_head
from featx.classifiers.heads.training_data import Training

N_COPIES = 3
CASES: dict[str, dict[str, Any]] = {
    "logreg": {"C": 0.1, "tol": 1e-8},
    "linear-svm": {"C": 0.1, "tol": 1e-8},
    "svm": {"C": 3.0},
    "ridge": {"alpha": 30.0},
    "projection": {"alpha": 30.0, "width": 64},
    "lda": {"shrinkage": "auto"},
    "centroid": {},
}


def samples(n: int = 180, n_classes: int = 3) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(4)
    y = np.arange(n) % n_classes
    return (rng.normal(size=(n, 10)) + 1.5 * np.eye(10)[y]).astype(np.float32), y


def fitted(name: str, X: np.ndarray, y: np.ndarray, **more: Any) -> Head:
    return make_head(name, **CASES[name]).fit(X, y, **more)


@pytest.mark.parametrize("class_weight", [None, "balanced"])
@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("name", CASES)
def test_equal_copies_with_the_weight_of_one_change_nothing(
    name: str, n_classes: int, class_weight: str | None
) -> None:
    X, y = samples(n_classes=n_classes)
    kept = np.flatnonzero((y > 0) | (np.arange(len(y)) % 4 > 0))  # classes of several sizes
    X, y = X[kept], y[kept]
    once, copied = make_head(name, **CASES[name]), make_head(name, **CASES[name])
    if class_weight and "class_weight" not in once.get_params():
        pytest.skip("the head has no weights of classes")
    if class_weight:
        once.set_params(class_weight=class_weight)
        copied.set_params(class_weight=class_weight)
    once.fit(X, y)
    weights = np.full(N_COPIES * len(y), 1 / N_COPIES)
    groups = np.tile(np.arange(len(y)), N_COPIES)
    copied.fit(np.tile(X, (N_COPIES, 1)), np.tile(y, N_COPIES), weights, groups=groups)
    np.testing.assert_allclose(copied.predict_proba(X), once.predict_proba(X), atol=1e-3)
    assert copied.temperature_ == pytest.approx(once.temperature_, rel=2e-2)


@pytest.mark.parametrize("name", ["ridge", "projection", "centroid"])
def test_a_temperature_is_fitted_to_decisions_without_the_group(name: str) -> None:
    """Rows of one group are nearly equal: each is told by the others, and new groups are not."""
    X, y = samples(240)
    rng = np.random.default_rng(0)
    many = np.concatenate([X + rng.normal(scale=0.01, size=X.shape) for _ in range(4)])
    groups = np.tile(np.arange(len(y)), 4)
    labels, weights = np.tile(y, 4), np.full(4 * len(y), 0.25)
    alone = fitted(name, X, y).temperature_
    apart = fitted(name, many, labels, sample_weight=weights, groups=groups).temperature_
    together = fitted(name, many, labels, sample_weight=weights).temperature_
    assert apart == pytest.approx(alone, rel=0.05)
    assert together > 1.02 * apart


def test_decisions_without_a_group_are_those_of_a_fit_without_it() -> None:
    X, y = samples(60)
    groups = np.arange(60) // 3
    whole = fitted("ridge", X, y, groups=groups)
    decisions = np.empty((60, 3))
    for group in range(20):
        rest = groups != group
        head = make_head("ridge", alpha=30.0, standardize=False)
        scaled = whole._scaled(X)  # the scale is that of all samples
        head.fit(scaled[rest], y[rest])
        decisions[~rest] = head.decision_function(scaled[~rest])

    assert whole.temperature_ == pytest.approx(fit_temperature(decisions, y), rel=1e-3)


def test_groups_are_chosen_whole_and_few() -> None:
    n = 3 * CALIBRATION_ROWS
    X, y = np.zeros((n, 1), np.float32), np.zeros(n, np.int64)
    groups = np.arange(n) // 2
    (pairs,) = left_out_groups(Training(X, y, None, 2, groups=groups))
    assert pairs.shape == (CALIBRATION_ROWS // 2, 2)
    assert (groups[pairs[:, 0]] == groups[pairs[:, 1]]).all()
    (alone,) = left_out_groups(Training(X, y, None, 2))
    assert alone.shape == (CALIBRATION_ROWS, 1)
    (large,) = left_out_groups(Training(X, y, None, 2, groups=y))
    assert large.shape == (1, 64)
