"""Ridge on random features."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.linear_model import RidgeClassifier

from featx.cache.errors import ModelFileError
from featx.classifiers.heads.closed_form.projection import RandomProjectionHead
from featx.classifiers.heads.joint_fit import fit_many
from featx.classifiers.heads.registry import make_head


def rings(n: int = 400) -> tuple[np.ndarray, np.ndarray]:
    """Return two classes that no plane parts: one lies around the other."""
    rng = np.random.default_rng(0)
    angles, y = rng.uniform(0, 2 * np.pi, n), np.arange(n) % 2
    points = np.column_stack([np.cos(angles), np.sin(angles)]) * (1 + 2 * y[:, None])
    return points.astype(np.float32), y


def test_it_is_ridge_on_the_random_features() -> None:
    X, y = rings()
    head = RandomProjectionHead(10.0, width=64).fit(X, y)
    hidden = np.maximum((X - head.mean_) / head.scale_ @ head._projection.array, 0)
    peer = RidgeClassifier(alpha=10.0).fit(hidden, y)
    np.testing.assert_allclose(head.coef_[0], np.ravel(peer.coef_), rtol=1e-2, atol=1e-3)
    np.testing.assert_array_equal(head.predict(X), peer.predict(hidden))


def test_it_parts_what_planes_do_not() -> None:
    X, y = rings()
    assert RandomProjectionHead(1.0, width=64).fit(X[:200], y[:200]).score(X[200:], y[200:]) > 0.95
    assert make_head("ridge").fit(X[:200], y[:200]).score(X[200:], y[200:]) < 0.75


def test_the_projection_is_drawn_by_its_seed_and_has_the_asked_width() -> None:
    X, y = rings()
    first, again, other = (
        RandomProjectionHead(width=16, random_state=seed).fit(X, y) for seed in (3, 3, 4)
    )
    np.testing.assert_array_equal(first.predict_proba(X), again.predict_proba(X))
    assert first.coef_.shape == (1, 16) and "projection" not in first.get_arrays()
    assert not np.allclose(first.predict_proba(X), other.predict_proba(X))


def test_a_penalty_that_rounding_loses_still_gives_finite_coefficients() -> None:
    X, y = rings(40)
    head = RandomProjectionHead(1e-12, width=256).fit(X, y)
    assert np.isfinite(head.coef_).all() and np.isfinite(head.temperature_)


def test_arrays_that_do_not_fit_are_refused() -> None:
    X, y = rings()
    head = RandomProjectionHead(width=16).fit(X, y)
    params, arrays = head.get_json_params(), head.get_arrays()
    again = RandomProjectionHead.from_arrays(params, arrays)
    np.testing.assert_array_equal(again.predict_proba(X), head.predict_proba(X))
    for name, value in (("n_inputs", 3), ("n_inputs", 0), ("seed", -1)):
        with pytest.raises(ModelFileError, match="projection"):
            RandomProjectionHead.from_arrays(params, {**arrays, name: np.array(value)})
    with pytest.raises(ModelFileError, match="projection"):
        RandomProjectionHead.from_arrays({**params, "width": 17}, arrays)


def test_multiply_adds_count_the_projection() -> None:
    X, y = rings()
    assert RandomProjectionHead(width=16).fit(X, y).multiply_adds() == 2 * 16 + 16


def test_a_grid_over_alpha_is_one_decomposition() -> None:
    X, y = rings()
    heads = [RandomProjectionHead(alpha, width=32) for alpha in (1.0, 100.0)]
    alone = [clone(head).fit(X, y).predict_proba(X) for head in heads]
    together = [head.predict_proba(X) for head in fit_many(heads, X, y)]
    np.testing.assert_allclose(together, alone, rtol=1e-5, atol=1e-6)
    assert not np.allclose(*together)
