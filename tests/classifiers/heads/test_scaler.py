"""Standardised sets of features weigh alike, however wide they are."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import clone

from featx.cache.errors import TrainingDataError
from featx.classifiers.heads.joint_fit import fit_many
from featx.classifiers.heads.registry import HEADS, make_head
from featx.classifiers.heads.scaler import set_weights

WIDTHS = (28, 4)


def two_sets(n: int = 90) -> tuple[np.ndarray, np.ndarray]:
    """Return a wide set of noise beside a narrow one that tells three classes apart."""
    rng, y = np.random.default_rng(0), np.arange(n) % 3
    narrow = np.eye(4)[y] * 2 + rng.normal(size=(n, 4))
    return np.hstack([rng.normal(size=(n, 28)) * 5, narrow]).astype(np.float32), y


def test_all_sets_have_one_total_variance() -> None:
    weights = set_weights(WIDTHS)
    assert weights.shape == (32,)
    totals = [np.square(weights[:28]).sum(), np.square(weights[28:]).sum()]
    assert totals[0] == pytest.approx(totals[1]) and sum(totals) == pytest.approx(32)
    np.testing.assert_allclose(set_weights([7]), 1)


@pytest.mark.parametrize("name", sorted(HEADS))
def test_heads_scale_by_set(name: str) -> None:
    X, y = two_sets()
    small = {"dense": {"epochs": 1, "validation_fraction": 0.0}, "projection": {"width": 16}}
    head = make_head(name, **small.get(name, {})).fit(X, y, widths=WIDTHS)
    if head.standardize:
        np.testing.assert_allclose(head.scale_, X.std(axis=0) / set_weights(WIDTHS), rtol=1e-4)
    together = fit_many([clone(head), clone(head)], X, y, widths=WIDTHS)[1]
    np.testing.assert_allclose(together.scale_, head.scale_)
    alone = clone(head).fit(X, y, widths=(32,))
    np.testing.assert_allclose(alone.scale_, clone(head).fit(X, y).scale_)


def test_a_wide_set_does_not_drown_a_narrow_one() -> None:
    X, y = two_sets(300)
    plain = make_head("knn").fit(X[:200], y[:200]).score(X[200:], y[200:])
    by_set = make_head("knn").fit(X[:200], y[:200], widths=WIDTHS).score(X[200:], y[200:])
    assert by_set > plain + 0.1


def test_widths_that_do_not_add_up_are_refused() -> None:
    X, y = two_sets()
    with pytest.raises(TrainingDataError, match="do not add up to the 32 columns of X"):
        make_head("ridge").fit(X, y, widths=(28, 3))
