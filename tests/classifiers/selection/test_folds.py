from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from selection_shared import make_features, three_classes

from featx.cache.errors import TrainingDataError
from featx.classifiers.heads.row_blocks import RowView
from featx.classifiers.selection.folds import FoldReader, make_folds
from featx.classifiers.selection.splitting.splits import split_features


def test_folds_cover_train_and_validation_and_never_test(tmp_path: Path) -> None:
    features = three_classes(tmp_path)
    split = split_features(features)
    folds = make_folds(features, split, 4, 0)
    held_out = np.concatenate([fold.held_out for fold in folds])
    assert sorted(held_out) == sorted([*split.train, *split.val])
    for fold in folds:
        assert not set(fold.train) & set(fold.held_out)
        assert not (set(fold.train) | set(fold.held_out)) & set(split.test)
        shares = np.bincount(features.y[fold.held_out]) / np.bincount(features.y[fold.train])
        assert np.ptp(shares) < 0.1


def test_folds_need_enough_samples_of_every_class(tmp_path: Path) -> None:
    features = three_classes(tmp_path, n=9)
    with pytest.raises(TrainingDataError, match="--cv 5 needs 5 samples"):
        make_folds(features, split_features(features), 5, 0)


def test_folds_need_enough_groups_of_every_class(tmp_path: Path) -> None:
    groups = [f"p{i // 10}" for i in range(80)]
    features = make_features(tmp_path, [0] * 40 + [1] * 40, groups=groups)
    with pytest.raises(TrainingDataError, match=r"needs 5 groups .* of every class or more; 'a'"):
        make_folds(features, split_features(features), 5, 0)
    for fold in make_folds(features, split_features(features), 3, 0):
        names = [{groups[row] for row in rows} for rows in (fold.train, fold.held_out)]
        assert names[1] and not names[0] & names[1]


def test_a_sweep_without_validation_rows_is_refused(tmp_path: Path) -> None:
    features = make_features(tmp_path, [0, 1])
    with pytest.raises(TrainingDataError, match="featx fit"):
        make_folds(features, split_features(features), 0, 0)


@pytest.mark.parametrize("cv", [0, 3])
def test_folds_hold_their_rows_and_read_the_cache_once(
    tmp_path: Path, cv: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    features = three_classes(tmp_path)
    split = split_features(features)
    folds = make_folds(features, split, cv, 0)
    n_read = []
    take = type(features.X).__getitem__

    def counted(matrix: object, rows: np.ndarray) -> np.ndarray:
        n_read.append(len(rows))
        return take(matrix, rows)

    monkeypatch.setattr(type(features.X), "__getitem__", counted)
    reader = FoldReader(features, folds, split.units)
    for _ in range(2):
        for index, fold in enumerate(folds):
            data = reader.read(index)
            np.testing.assert_array_equal(data.y, features.y[fold.train])
            np.testing.assert_array_equal(data.X_held_out, take(features.X, fold.held_out))
            np.testing.assert_array_equal(data.X, take(features.X, fold.train))
    assert sum(n_read) == len(split.train) + len(split.val)


def test_rows_that_are_larger_than_the_memory_stay_on_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("featx.classifiers.selection.memory.least_memory", lambda *_: 0)
    features = three_classes(tmp_path)
    split = split_features(features)
    reader = FoldReader(features, make_folds(features, split, 0, 0), split.units, 1000)
    assert reader.is_on_disk and isinstance(reader.read(0).X, RowView)
