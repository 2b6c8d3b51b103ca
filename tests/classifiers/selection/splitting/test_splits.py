from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from selection_shared import make_features

from featx.cache.errors import TrainingDataError
from featx.classifiers.selection.splitting.splits import Crossing, split_features


def test_splits_are_disjoint_stratified_and_repeatable(tmp_path: Path) -> None:
    features = make_features(tmp_path, [0] * 50 + [1] * 100)
    split = split_features(features)
    rows = np.concatenate([split.train, split.val, split.test])
    assert sorted(rows) == list(range(150))
    in_test, in_val = (np.bincount(features.y[rows]) for rows in (split.test, split.val))
    assert (in_test >= [5, 10]).all() and (in_test <= [15, 30]).all()
    assert (in_val >= [4, 8]).all() and (in_val <= [12, 24]).all()
    again = split_features(features)
    assert np.array_equal(split.train, again.train)
    assert not np.array_equal(split.test, split_features(features, 1).test)


def test_splits_of_the_source_are_kept(tmp_path: Path) -> None:
    features = make_features(tmp_path, [0, 1] * 30, [0] * 40 + [1] * 10 + [2] * 10)
    split = split_features(features)
    assert split.train.tolist() == list(range(40))
    assert split.val.tolist() == list(range(40, 50))
    assert split.test.tolist() == list(range(50, 60))


def test_equal_images_never_stand_on_both_sides(tmp_path: Path) -> None:
    same = [i // 3 for i in range(90)]
    features = make_features(tmp_path, [i // 3 % 2 for i in range(90)], same=same)
    split = split_features(features)
    sides = [{same[row] for row in rows} for rows in (split.train, split.val, split.test)]
    assert not sides[0] & sides[1] and not sides[0] & sides[2] and not sides[1] & sides[2]


def test_validation_is_not_drawn_from_images_of_a_given_test_split(tmp_path: Path) -> None:
    """Ten training rows have the bytes of test images: they are left out before val is drawn."""
    same = [*range(30), *range(10)]
    features = make_features(tmp_path, [0, 1] * 20, [0] * 30 + [2] * 10, same=same)
    split = split_features(features)
    assert not set(range(10)) & {*split.train, *split.val} and 2 <= len(split.val) <= 6
    assert split.crossings == (Crossing("train", "test", 10, 0),) and split.n_leaking == 10


def test_test_is_not_drawn_from_images_of_a_given_validation_split(tmp_path: Path) -> None:
    same = [*range(30), *range(10)]
    features = make_features(tmp_path, [0, 1] * 20, [0] * 30 + [1] * 10, same=same)
    split = split_features(features)
    assert split.val.tolist() == list(range(30, 40)) and 2 <= len(split.test) <= 6
    assert not set(range(10)) & {*split.train, *split.test}


def test_groups_of_a_given_test_split_are_in_no_other(tmp_path: Path) -> None:
    groups = [f"patient {i // 5}" for i in range(60)]
    features = make_features(tmp_path, [0, 1] * 30, [0] * 43 + [2] * 17, groups=groups)
    split = split_features(features)
    sides = [{groups[row] for row in rows} for rows in (split.train, split.val, split.test)]
    assert not sides[0] & sides[1] and not sides[0] & sides[2] and not sides[1] & sides[2]
    assert split.crossings == (Crossing("train", "test", 0, 3),)


def test_given_splits_that_cross_keep_test_then_validation(tmp_path: Path) -> None:
    # train 0-29; val: 10 images of its own, 5 of test, 3 of train; test.
    same = [*range(30), *range(30, 40), *range(50, 55), 0, 1, 2, *range(50, 60)]
    given = [0] * 30 + [1] * 18 + [2] * 10
    features = make_features(tmp_path, [0, 1] * 29, given, same=same)
    split = split_features(features)
    assert split.test.tolist() == list(range(48, 58))
    assert split.val.tolist() == [*range(30, 40), 45, 46, 47]
    assert split.train.tolist() == list(range(3, 30))
    assert split.crossings == (Crossing("val", "test", 5, 0), Crossing("train", "val", 3, 0))


def test_a_validation_split_that_is_all_test_is_drawn_anew(tmp_path: Path) -> None:
    same = [*range(40), *range(100, 110), *range(100, 110)]
    given = [0] * 40 + [1] * 10 + [2] * 10
    split = split_features(make_features(tmp_path, [0, 1] * 30, given, same=same))
    assert 4 <= len(split.val) <= 12 and set(split.val) <= set(range(40))


def test_training_rows_that_all_stand_in_test_are_refused(tmp_path: Path) -> None:
    features = make_features(tmp_path, [0, 1] * 10, [0] * 10 + [2] * 10, groups=["one"] * 20)
    with pytest.raises(TrainingDataError, match="splits that keep equal images and groups whole"):
        split_features(features)


def test_groups_stay_together(tmp_path: Path) -> None:
    groups = [f"g{i // 5}" for i in range(100)]
    features = make_features(tmp_path, [i // 5 % 2 for i in range(100)], groups=groups)
    split = split_features(features)
    sides = [{groups[row] for row in rows} for rows in (split.train, split.val, split.test)]
    assert not sides[0] & sides[1] and not sides[0] & sides[2] and not sides[1] & sides[2]
    assert len(split.test) in range(10, 31, 5)


def test_a_blank_group_is_none(tmp_path: Path) -> None:
    blank = split_features(make_features(tmp_path, [0, 1] * 30, groups=["", " "] * 30))
    without = split_features(make_features(tmp_path / "2", [0, 1] * 30))
    assert blank.to_dict() == without.to_dict()


def test_few_groups_give_one_of_each_class_to_validation(tmp_path: Path) -> None:
    """Three patients a class: one for testing, one for validation, one to learn from."""
    groups = [f"p{i // 30}" for i in range(180)]
    split = split_features(make_features(tmp_path, [0] * 90 + [1] * 90, groups=groups))
    assert [len(rows) for rows in (split.train, split.val, split.test)] == [60, 60, 60]
    assert split.is_small
    sides = [{groups[row] for row in rows} for rows in (split.train, split.val, split.test)]
    assert not sides[0] & sides[1] and not sides[0] & sides[2] and not sides[1] & sides[2]


@pytest.mark.parametrize(
    ("labels", "n_val"), [([0, 0, 1, 1], 2), ([0, 0, 1], 1), ([0, 1], 0), ([0] * 3 + [1] * 3, 2)]
)
def test_few_images(tmp_path: Path, labels: list[int], n_val: int) -> None:
    split = split_features(make_features(tmp_path, labels))
    assert len(split.val) == n_val and len(split.train) >= 2
    assert set(np.array(labels)[split.train]) == {0, 1}


def test_a_single_sample_stays_in_train(tmp_path: Path) -> None:
    features = make_features(tmp_path, [0] * 20 + [1])
    assert 20 in split_features(features).train


def test_no_labels(tmp_path: Path) -> None:
    features = make_features(tmp_path, [0, 1])
    features.y[:] = -1
    with pytest.raises(TrainingDataError, match="no labels"):
        split_features(features)
