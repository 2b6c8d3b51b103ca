"""What heads say to data that cannot be learned from, and what they make of odd data."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from featx.cache.errors import FeatureMismatchError, TrainingDataError
from featx.classifiers.heads import row_blocks as blocks
from featx.classifiers.heads.registry import HEADS, make_head
from featx.classifiers.heads.row_blocks import RowView, check_finite
from featx.classifiers.heads.scaler import measure_scale
from featx.classifiers.heads.training_data import check_classes

SMALL = {
    "dense": {"hidden": (8,), "epochs": 5},
    "knn": {"n_neighbors": 3},
    "projection": {"width": 256},
}
X = np.arange(12, dtype=np.float32).reshape(6, 2)
Y = np.array([0, 0, 0, 1, 1, 1])


class Lazy:
    """A matrix that reads rows as it is indexed, as ``FeatureSet.X`` does."""

    ndim = 2

    def __init__(self, values):
        self._values = values
        self.shape, self.dtype = values.shape, values.dtype

    def __len__(self):
        return len(self._values)

    def __getitem__(self, rows):
        return np.array(self._values[rows])

    def __array__(self, dtype=None, copy=None):
        return np.array(self._values, dtype)

    def blocks(self, n_rows=100):
        for start in range(0, len(self), n_rows):
            yield self[start : start + n_rows]


def small(name, **options):
    return make_head(name, **{**SMALL.get(name, {}), **options})


def test_one_class_is_refused_by_its_name():
    with pytest.raises(TrainingDataError, match=r"only one class \('dog'\) in 6 samples"):
        check_classes(np.ones(6, int), ("cat", "dog"))
    with pytest.raises(TrainingDataError, match=r"only one class \('7'\) in 1 sample\."):
        check_classes(np.array([7]))
    check_classes(Y, ("cat", "dog"))


@pytest.mark.parametrize(("value", "text"), [(np.nan, "NaN"), (np.inf, "inf"), (-np.inf, "inf")])
def test_the_place_of_a_value_that_is_no_number_is_named(value, text):
    bad = X.copy()
    bad[4, 1] = value
    with pytest.raises(TrainingDataError, match=rf"{text}.*row 4, column 1"):
        check_finite(bad)


def test_numbers_whose_sum_overflows_are_finite():
    check_finite(np.full((6, 2), 3e38, np.float32))


@pytest.mark.parametrize("name", HEADS)
def test_head_refuses_what_cannot_be_learned(name):
    bad = np.tile(X, (5, 1))
    labels = np.tile(Y, 5)
    with pytest.raises(TrainingDataError, match="one class"):
        small(name).fit(bad, np.zeros(30, int))
    bad[3, 1] = np.nan
    with pytest.raises(TrainingDataError, match="NaN"):
        small(name).fit(bad, labels)


@pytest.mark.parametrize("name", HEADS)
def test_head_learns_a_class_of_one_sample(name, digits):
    rows = np.concatenate([np.flatnonzero(digits.y == 3)[:1], np.flatnonzero(digits.y < 3)[:200]])
    head = small(name).fit(digits.X[rows], digits.y[rows])
    assert head.classes_.tolist() == [0, 1, 2, 3]
    assert np.isfinite(head.predict_proba(digits.X_test)).all()


@pytest.mark.parametrize("name", HEADS)
def test_head_learns_from_one_sample_of_each_class(name):
    head = small(name, **({"n_neighbors": 1} if name == "knn" else {}))
    head.fit(np.eye(3, dtype=np.float32), np.arange(3))
    assert head.predict_proba(np.eye(3, dtype=np.float32)).shape == (3, 3)


@pytest.mark.parametrize("name", HEADS)
def test_constant_and_repeated_features_are_harmless(name, digits):
    plain = small(name).fit(digits.X, digits.y).predict_proba(digits.X_test)
    constant = [np.full((len(part), 2), 0.1, np.float32) for part in (digits.X, digits.X_test)]
    head = small(name).fit(np.hstack([digits.X, constant[0]]), digits.y)
    found = head.predict_proba(np.hstack([digits.X_test, constant[1]]))
    assert np.isfinite(found).all()
    if name != "dense":
        # The shrinkage of lda and the scale of a projection depend on the number of features, and
        # logreg is within 0.005 of the exact probabilities in the mean, not for each sample.
        tolerances = {"logreg": 0.02, "linear-svm": 5e-3, "svm": 5e-3, "lda": 0.05}
        tolerance = {**tolerances, "projection": 0.02}.get(name, 1e-4)
        np.testing.assert_allclose(found, plain, atol=tolerance)


@pytest.mark.parametrize("name", HEADS)
def test_no_warning_reaches_the_user(name, digits):
    hard = {"logreg": {"max_iter": 1}, "linear-svm": {"max_iter": 1}, "svm": {"max_iter": 1}}
    head = small(name, **hard.get(name, {}))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        head.fit(digits.X[:300], digits.y[:300])
    if name in hard:
        assert not head.converged_
        assert "max_iter=1" in head.convergence_note()
    else:
        assert head.convergence_note() == "" or name == "dense"


@pytest.mark.parametrize("name", HEADS)
def test_zero_weight_leaves_a_sample_out(name, digits):
    weight = np.ones(400)
    weight[::7] = 0
    head = small(name).fit(digits.X[:400], digits.y[:400], weight)
    kept = weight > 0
    alone = small(name).fit(digits.X[:400][kept], digits.y[:400][kept], weight[kept])
    np.testing.assert_array_equal(
        head.predict_proba(digits.X_test), alone.predict_proba(digits.X_test)
    )


@pytest.mark.parametrize("name", HEADS)
@pytest.mark.parametrize("copy_bytes", [1 << 28, 0])
def test_maps_and_lazy_matrices_equal_arrays(name, copy_bytes, digits, tmp_path, monkeypatch):
    monkeypatch.setattr(blocks, "COPY_BYTES", copy_bytes)
    half = digits.X.astype(np.float16)
    np.save(tmp_path / "X.npy", half)
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    heads = [small(name).fit(features, digits.y) for features in (half, mapped, Lazy(half))]
    expected = heads[0].predict_proba(half)
    assert expected.dtype == np.float32
    for head in heads[1:]:
        for features in (mapped, Lazy(half)):
            np.testing.assert_allclose(head.predict_proba(features), expected, atol=1e-5)


@pytest.mark.parametrize("name", HEADS)
def test_answers_do_not_depend_on_the_blocks(name, digits, monkeypatch):
    head = small(name).fit(digits.X, digits.y)
    whole = head.predict_proba(digits.X_test)
    monkeypatch.setattr(blocks, "BLOCK_BYTES", 1)
    monkeypatch.setattr(blocks.block_rows, "__defaults__", (4, 40_000))
    np.testing.assert_allclose(head.predict_proba(digits.X_test), whole, atol=1e-5)
    assert head.predict_proba(digits.X_test[:0]).shape == (0, 10)


@pytest.mark.parametrize("name", HEADS)
def test_prediction_refuses_other_widths_and_values(name, digits):
    head = small(name).fit(digits.X[:200], digits.y[:200])
    with pytest.raises(ValueError, match="features"):
        head.predict(digits.X_test[:, :5])
    with pytest.raises(FeatureMismatchError, match="features"):
        head.predict(Lazy(digits.X_test[:, :5]))
    bad = digits.X_test[:10].copy()
    bad[7, 3] = np.nan
    with pytest.raises(FeatureMismatchError, match="row 7"):
        head.predict_proba(bad)


def test_balanced_classes_weigh_the_same(digits):
    rows = np.concatenate([np.flatnonzero(digits.y == 0), np.flatnonzero(digits.y == 1)[:9]])
    balanced = small("ridge", class_weight="balanced").fit(digits.X[rows], digits.y[rows])
    weight = np.where(digits.y[rows] == 0, 1 / (digits.y[rows] == 0).sum(), 1 / 9)
    by_hand = small("ridge", class_weight={0: weight[0] * len(rows) / 2, 1: len(rows) / 18})
    by_hand.fit(digits.X[rows], digits.y[rows])
    np.testing.assert_allclose(balanced.coef_, by_hand.coef_, rtol=1e-5, atol=1e-9)


def test_class_weights_move_the_loss_and_not_the_scale(digits):
    plain, balanced = (
        small("ridge", class_weight=weight).fit(digits.X, digits.y) for weight in (None, {3: 9.0})
    )
    np.testing.assert_array_equal(plain.scale_, balanced.scale_)
    assert not np.array_equal(plain.coef_, balanced.coef_)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_scale_is_accurate_far_from_zero(dtype):
    values = np.random.default_rng(0).normal(1000, 1, (5000, 4)).astype(dtype)
    values[:, 3] = 0.1
    weight = np.random.default_rng(1).uniform(0.5, 2, 5000)
    mean, scale = measure_scale(values, weight, np.dtype(dtype))
    exact = values.astype(np.float64)
    expected = np.average(exact, axis=0, weights=weight)
    spread = np.sqrt(np.average((exact - expected) ** 2, axis=0, weights=weight))
    np.testing.assert_allclose(mean, expected, rtol=1e-6)
    np.testing.assert_allclose(scale[:3], spread[:3], rtol=1e-5)
    assert scale[3] == 1


def test_row_view_reads_its_rows():
    values = np.arange(40).reshape(20, 2)
    view = RowView(values, np.array([3, 1, 7, 7, 0]))
    np.testing.assert_array_equal(np.asarray(view), values[[3, 1, 7, 7, 0]])
    np.testing.assert_array_equal(view[1:3], values[[1, 7]])
    np.testing.assert_array_equal(np.concatenate(list(view.blocks(2))), np.asarray(view))
    assert len(view) == 5
