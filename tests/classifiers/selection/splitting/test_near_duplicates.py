"""Images that are the same picture saved again: found across splits, and no distinct ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from selection_shared import make_features

from featx.cache import FeatureSet
from featx.classifiers.selection.splitting import near_duplicates
from featx.classifiers.selection.splitting.near_duplicates import find_near_duplicates
from featx.classifiers.selection.splitting.splits import split_features

N, WIDTH = 60, 64


def with_copies(root: Path, n_copies: int, change: float) -> FeatureSet:
    """Distinct images, of which the first in train stand in test, too, slightly changed."""
    rng = np.random.default_rng(1)
    X = rng.normal(size=(N, WIDTH)) + 5
    X[N - n_copies :] = X[:n_copies] + rng.normal(size=(n_copies, WIDTH)) * change
    splits = [0] * 30 + [1] * 10 + [2] * 20
    return make_features(root, [0, 1] * (N // 2), splits, X=X)


@pytest.mark.parametrize(("change", "n_found"), [(0.05, 12), (0.3, 12), (3.0, 0)])
def test_copies_are_found_and_changed_pictures_are_not(
    tmp_path: Path, change: float, n_found: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(near_duplicates, "TILE_ROWS", 7)
    features = with_copies(tmp_path, 12, change)
    found = find_near_duplicates(features, split_features(features)).pairs
    assert len(found) == n_found
    for pair in found:
        assert (pair.split, pair.other_split) == ("train", "test")
        assert int(pair.other_sample.removesuffix(".png")) == pair.row + N - 12
        assert 0.7 < pair.cosine <= 1.0001


def test_several_copies_of_one_picture_are_found(tmp_path: Path) -> None:
    features = with_copies(tmp_path, 0, 0)
    X = np.asarray(features.X).copy()
    X[[3, 45, 46, 47]] = X[2] + np.random.default_rng(0).normal(size=(4, WIDTH)) * 0.1
    features = make_features(tmp_path / "2", features.y.tolist(), features.splits.tolist(), X=X)
    found = find_near_duplicates(features, split_features(features))
    assert found.rows("train").tolist() == [2, 3] and not len(found.rows("val"))


def test_validation_is_compared_with_test(tmp_path: Path) -> None:
    features = with_copies(tmp_path, 0, 0)
    X = np.asarray(features.X).copy()
    X[35] = X[50]
    features = make_features(tmp_path / "2", features.y.tolist(), features.splits.tolist(), X=X)
    (pair,) = find_near_duplicates(features, split_features(features)).pairs
    assert (pair.sample, pair.split, pair.other_split) == ("35.png", "val", "test")


def test_of_training_rows_that_are_alike_the_later_one_is_named(tmp_path: Path) -> None:
    features = with_copies(tmp_path, 0, 0)
    X = np.asarray(features.X).copy()
    X[20] = X[10]
    features = make_features(tmp_path / "2", features.y.tolist(), features.splits.tolist(), X=X)
    split = split_features(features)
    (pair,) = find_near_duplicates(features, split, within_train=True).pairs
    assert (pair.sample, pair.other_sample) == ("20.png", "10.png")
    assert not find_near_duplicates(features, split).pairs


def test_features_without_a_direction_are_no_duplicates(tmp_path: Path) -> None:
    features = make_features(tmp_path, [0, 1] * 20, X=np.ones((40, WIDTH)))
    assert not find_near_duplicates(features, split_features(features)).pairs


def test_few_features_are_not_compared(tmp_path: Path) -> None:
    features = make_features(tmp_path, [0, 1] * 20, X=np.random.default_rng(0).normal(size=(40, 8)))
    found = find_near_duplicates(features, split_features(features))
    assert not found.pairs and "8 features are too few" in found.skipped


def test_large_sets_are_not_compared_unless_asked(tmp_path: Path) -> None:
    features = with_copies(tmp_path, 12, 0.05)
    split = split_features(features)
    skipped = find_near_duplicates(features, split, max_products=1000)
    assert not skipped.pairs and "--drop-near-duplicates" in skipped.skipped
    assert len(find_near_duplicates(features, split, max_products=None).pairs) == 12
