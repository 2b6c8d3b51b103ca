"""Heads learn from random views of training images, and are judged by images themselves."""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from views_shared import SMALL, make_views

from featx.cache import FeatureSet, FeatureStore
from featx.cache.errors import CacheFormatError, ConfigError, FeaturesNotFoundError
from featx.cache.views import DrawnViews
from featx.classifiers.heads.closed_form.centroid import CentroidHead
from featx.classifiers.heads.row_blocks import RowView
from featx.classifiers.models.export.refit import refit
from featx.classifiers.selection.fit import HeadOptions, fit
from featx.classifiers.selection.folds import FoldReader, make_folds
from featx.classifiers.selection.learned.rows import LearnedRows
from featx.classifiers.selection.learned.views import with_views
from featx.classifiers.selection.memory import training_rows
from featx.classifiers.selection.splitting.splits import split_features
from featx.classifiers.selection.sweep import sweep
from featx.classifiers.selection.sweep_options import SweepOptions

Fit = tuple[np.ndarray, np.ndarray | None, np.ndarray]


@pytest.fixture
def fits(monkeypatch: pytest.MonkeyPatch) -> list[Fit]:
    """The rows, weights and groups of every fit of the centroid head."""
    seen: list[Fit] = []
    whole = CentroidHead.fit

    def watched(
        self: CentroidHead, X: object, y: object, weight: object = None, **more: object
    ) -> object:
        seen.append((np.asarray(X), weight, np.asarray(more["groups"])))  # type: ignore[arg-type]
        return whole(self, X, y, weight, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(CentroidHead, "fit", watched)
    return seen


def opened(store: FeatureStore, n_views: int = 3) -> FeatureSet:
    return with_views(store.open_features("photos"), store, n_views)


def images_of(X: np.ndarray) -> set[int]:
    return set(X[:, 1].astype(int))


def test_views_are_those_of_the_images_in_their_order(tmp_path: Path) -> None:
    store = make_views(tmp_path)
    features = opened(store)
    assert features.views_taken == DrawnViews(3, "crop,flip", 0)
    for number, matrix in enumerate((features.X, *features.views)):
        assert (matrix[:][:, 0] == number).all()
        np.testing.assert_array_equal(matrix[:][:, 1], np.arange(120))
    assert opened(store, 2).views_taken.n == 2
    assert opened(store, 1).views == ()
    assert features[10:20].views[1][:][:, 1].tolist() == list(range(10, 20))
    assert features.relabelled(weights=np.ones(120)).views_taken.n == 3
    assert "3 views (crop,flip; seed 0)" in repr(features)


def test_views_that_the_cache_lacks_are_refused_with_the_command(tmp_path: Path) -> None:
    store = make_views(tmp_path)
    features = store.open_features("photos")
    with pytest.raises(FeaturesNotFoundError, match=r"extract /photos .*--backbone b .*--views 4"):
        with_views(features, store, 4)
    with pytest.raises(FeaturesNotFoundError, match="--view-ops flip --views-seed 7`"):
        with_views(features, store, 2, "flip", 7)
    with pytest.raises(ConfigError, match="counts from 1"):
        with_views(features, store, 0)
    with pytest.raises(ConfigError, match="unknown operation 'blur'"):
        with_views(features, store, 2, "blur")


def test_the_newest_views_of_which_there_are_enough_are_taken(tmp_path: Path) -> None:
    make_views(tmp_path, 4)
    store = make_views(tmp_path, 3, ops="flip", seed=5)
    features = store.open_features("photos")
    assert with_views(features, store, 3).views_taken == DrawnViews(3, "flip", 5)
    assert with_views(features, store, 4).views_taken == DrawnViews(4, "crop,flip", 0)
    assert with_views(features, store, 3, "flip,crop").views_taken.ops == "crop,flip"
    assert with_views(features, store, 3, seed=0).views_taken.seed == 0


def test_an_image_with_its_views_weighs_as_much_as_an_image(tmp_path: Path) -> None:
    weights = np.linspace(0.5, 2, 120)
    features = opened(make_views(tmp_path, weights=weights))
    rows, units = np.array([3, 50, 7]), np.arange(120) // 2
    learned = LearnedRows.of(features, rows, units)
    np.testing.assert_array_equal(learned.X[learned.rows][:, 0], np.repeat([0, 1, 2], 3))
    np.testing.assert_array_equal(learned.X[learned.rows][:, 1], [3, 50, 7] * 3)
    np.testing.assert_array_equal(learned.y, [0, 2, 1] * 3)
    np.testing.assert_array_equal(learned.groups, [1, 25, 3] * 3)
    assert learned.weights is not None
    np.testing.assert_allclose(learned.weights.reshape(3, 3).sum(axis=0), weights[rows])
    np.testing.assert_array_equal(
        pickle.loads(pickle.dumps(learned.refer())), learned.X[learned.rows]
    )


def test_only_training_images_have_views(tmp_path: Path, fits: list[Fit]) -> None:
    groups = [f"g{i // 4}" for i in range(120)]
    features = opened(make_views(tmp_path, groups=groups))
    report = fit(features, HeadOptions("centroid", views=3))
    ((X, weights, units),) = fits
    split = report.split
    assert len(X) == 3 * len(split.train)
    for number in range(3):
        assert images_of(X[X[:, 0] == number]) == set(split.train)
    assert weights is not None
    assert np.allclose(weights, 1 / 3)
    assert len(np.unique(units)) == len({groups[row] for row in split.train})
    for name, rows in (("val", split.val), ("test", split.test)):
        np.testing.assert_array_equal(report.predictions[name].rows.digests, features.digests[rows])
        expected = report.model.predict_proba(features.X[rows])
        np.testing.assert_allclose(report.predictions[name].probabilities, expected, atol=1e-6)
    assert report.model.origin["views"] == {"n": 3, "ops": "crop,flip", "seed": 0}


def test_views_stay_on_disk_where_memory_is_short(
    tmp_path: Path, fits: list[Fit], monkeypatch: pytest.MonkeyPatch
) -> None:
    features = opened(make_views(tmp_path))
    whole = fit(features, HeadOptions("centroid", views=3))
    monkeypatch.setattr("featx.classifiers.selection.memory.least_memory", lambda *_: 0)
    monkeypatch.setattr("featx.classifiers.selection.fit.training_rows", read := Read())
    short = fit(features, HeadOptions("centroid", views=3, memory=1000))
    assert read.is_lazy
    np.testing.assert_array_equal(fits[0][0], fits[1][0])
    np.testing.assert_allclose(short.model.head.centroids_, whole.model.head.centroids_, atol=1e-6)


class Read:
    """Says whether the rows that were trained from stayed on disk."""

    is_lazy = False

    def __call__(self, *words: object) -> object:
        X = training_rows(*words)  # type: ignore[arg-type]
        self.is_lazy = isinstance(X, RowView)
        return X


def test_a_head_is_fitted_again_on_views_of_exact_features(tmp_path: Path) -> None:
    store = make_views(tmp_path)
    model = fit(opened(store), HeadOptions("ridge", views=3)).model
    fast = replace(model, spec=replace(model.spec.single, precision="bfloat16"))
    again = refit(fast, store)
    np.testing.assert_array_equal(again.head.coef_, model.head.coef_)
    assert again.origin["views"] == model.origin["views"]
    lost = replace(fast, origin={**fast.origin, "views": {"n": 4, "ops": "flip", "seed": 1}})
    with pytest.raises(FeaturesNotFoundError, match="--views 4 --view-ops flip --views-seed 1"):
        refit(lost, store)
    damaged = replace(fast, origin={**fast.origin, "views": {"n": "many"}})
    with pytest.raises(CacheFormatError, match="not a number and kind of views"):
        refit(damaged, store)


def test_other_views_than_asked_for_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"expected features with 1 views .* with 3"):
        fit(opened(make_views(tmp_path)), HeadOptions("centroid"))


def test_a_training_image_without_a_view_is_refused_and_another_is_not_missed(
    tmp_path: Path,
) -> None:
    split = split_features(opened(make_views(tmp_path / "a")))
    store = make_views(tmp_path / "b", lacking=[*split.val, *split.test])
    assert fit(opened(store), HeadOptions("centroid", views=3)).scores
    store = make_views(tmp_path / "c", lacking=split.train[:2])
    with pytest.raises(FeaturesNotFoundError, match=r"2 of .* no view 2 .*`featx extract /photos"):
        fit(opened(store), HeadOptions("centroid", views=3))


@pytest.mark.parametrize("cv", [0, 3])
@pytest.mark.parametrize("memory", [None, 10**9, 1000])
def test_folds_learn_from_views_of_their_training_part_alone(
    tmp_path: Path, cv: int, memory: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("featx.classifiers.selection.memory.least_memory", lambda *_: 0)
    features = opened(make_views(tmp_path))
    split = split_features(features)
    folds = make_folds(features, split, cv, 0)
    reader = FoldReader(features, folds, split.units, memory)
    assert reader.is_on_disk == (memory == 1000)
    for index, fold in enumerate(folds):
        data = reader.read(index)
        assert isinstance(data.X, RowView) == reader.is_on_disk
        X, judged = np.asarray(data.X), np.asarray(data.X_held_out)
        assert len(X) == len(data.y) == len(data.groups) == 3 * len(fold.train)
        assert images_of(X) == set(fold.train)
        assert images_of(judged) == set(fold.held_out)
        assert (judged[:, 0] == 0).all()
        np.testing.assert_array_equal(data.y, X[:, 1].astype(int) % 3)
        np.testing.assert_array_equal(data.groups, split.units[X[:, 1].astype(int)])
        assert data.weights is not None
        assert np.isclose(data.weights.sum(), len(fold.train))
        away = pickle.loads(pickle.dumps(reader.refer(index))).in_memory()
        np.testing.assert_array_equal(away.X, X)
        np.testing.assert_array_equal(away.X_held_out, judged)


@pytest.mark.parametrize("cv", [0, 3])
def test_a_sweep_learns_from_views_and_keeps_its_results_apart(
    tmp_path: Path, cv: int, fits: list[Fit]
) -> None:
    store = make_views(tmp_path)
    features = store.open_features("photos")
    plain = sweep([features], SweepOptions(SMALL, cv=cv), store)
    n_plain = len(fits)
    viewed = sweep([features], SweepOptions(SMALL, cv=cv, views=3), store)
    assert not any(candidate.is_stored for candidate in viewed.candidates)
    assert all(len(X) % 3 == 0 and set(X[:, 0]) == {0, 1, 2} for X, *_ in fits[n_plain:])
    again = sweep([features], SweepOptions(SMALL, cv=cv, views=3), store)
    assert all(candidate.is_stored for candidate in again.candidates)
    fewer = sweep([features], SweepOptions(SMALL, cv=cv, views=2), store)
    assert not any(candidate.is_stored for candidate in fewer.candidates)
    assert "views" not in plain.winner.origin
    assert viewed.winner.origin["views"] == {"n": 3, "ops": "crop,flip", "seed": 0}
    assert viewed.winner.rows is not None
    assert plain.winner.rows is not None
    np.testing.assert_array_equal(viewed.winner.rows.digests, plain.winner.rows.digests)
