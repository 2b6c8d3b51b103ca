"""What is said of a training set before training."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from selection_shared import make_features

from featx.cache.errors import TrainingDataError
from featx.classifiers.selection.splitting.preparation import prepare

BALANCED = [0, 1, 2] * 100
GIVEN = [0] * 180 + [1] * 60 + [2] * 60


def notes(root: Path, labels: list[int], *args: object, **more: object) -> str:
    return "\n".join(prepare(make_features(root, labels, *args, **more)).notes)


def test_nothing_is_said_of_ordinary_data(tmp_path: Path) -> None:
    assert notes(tmp_path, BALANCED) == ""


def test_unlabelled_rows_are_counted(tmp_path: Path) -> None:
    features = make_features(tmp_path, BALANCED)
    features.y[:7] = -1
    assert prepare(features).notes == ("7 of 300 rows have no label: they are left out.",)


def test_given_splits_that_cross_are_said_with_counts(tmp_path: Path) -> None:
    same = [*range(290), *range(10)]
    said = notes(tmp_path, BALANCED, GIVEN, same=same)
    assert said == (
        "The given splits cross. Left out of the training rows: 10 with the bytes of test images."
    )
    groups = [f"g{i // 8}" for i in range(300)]
    said = notes(tmp_path / "2", BALANCED, GIVEN, groups=groups)
    assert "training rows: 4 of groups that have validation images" in said


def test_classes_without_training_images_and_of_one_image_are_named(tmp_path: Path) -> None:
    labels = [*[0, 1] * 90, 3, *[0, 1] * 30, *[2] * 60]
    said = notes(tmp_path, labels, [0] * 181 + [1] * 60 + [2] * 60)
    assert "No training images of 'c': never predicted, and 60 validation and test rows" in said
    assert "One image only of 'd': trained on, and never judged." in said


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        ([0, 1], ("No validation rows", "No test rows")),
        ([0, 0, 1, 1], ("each class gives one to validation", "No test rows")),
        ([0, 1] * 30, ("Only 10 test rows", "Only 10 validation rows")),
    ],
)
def test_small_data_is_said_to_be_small(
    tmp_path: Path, labels: list[int], words: tuple[str, ...]
) -> None:
    said = notes(tmp_path, labels)
    assert all(word in said for word in words), said


def test_near_duplicates_are_counted_named_and_left_out(tmp_path: Path) -> None:
    X = np.random.default_rng(0).normal(size=(300, 32))
    X[290:] = X[:10] + 0.01
    features = make_features(tmp_path, BALANCED, GIVEN, X=X)
    prepared = prepare(features)
    (note,) = prepared.notes
    assert "10 in train of images in test" in note and "0.png = 290.png" in note
    assert "and 7 more" in note and 0 in prepared.split.train
    dropped = prepare(features, drop_near_duplicates=True).split
    assert dropped.train.tolist() == list(range(10, 180)) and len(dropped.test) == 60


def test_folds_leave_out_validation_rows_that_look_like_test_images(tmp_path: Path) -> None:
    X = np.random.default_rng(0).normal(size=(300, 32))
    X[290:] = X[200:210] + 0.01
    X[239] = X[0] + 0.01
    features = make_features(tmp_path, BALANCED, GIVEN, X=X)
    prepared = prepare(features, drop_near_duplicates=True, is_cv=True)
    assert "10 in train of images in test, 1 across folds" in prepared.notes[0]
    assert prepared.split.val.tolist() == [*range(180, 200), *range(210, 239)]
    assert 0 in prepared.split.train


def test_near_duplicates_that_are_all_there_is_are_kept_or_refused(tmp_path: Path) -> None:
    X = np.random.default_rng(0).normal(size=(20, 32))
    features = make_features(
        tmp_path, [0, 1] * 20, [0] * 20 + [1] * 10 + [2] * 10, X=np.r_[X, X + 0.01]
    )
    assert len(prepare(features).split.train) == 20
    with pytest.raises(TrainingDataError, match="leaves no training rows"):
        prepare(features, drop_near_duplicates=True)
