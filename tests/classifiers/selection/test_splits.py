from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from featx.cache import FeatureBatch, FeatureSet, FeatureSpec, FeatureStore, StringColumn
from featx.cache.errors import TrainingDataError
from featx.cache.manifest import Listing, Manifest
from featx.classifiers.selection.splits import split_features


def make_features(
    root: Path, labels: list[int], splits: list[int] | None = None, **more: object
) -> FeatureSet:
    """Features of random numbers; ``same`` gives equal digests, ``groups`` names groups."""
    n = len(labels)
    same = more.get("same") or list(range(n))
    groups = more.get("groups")
    digests = np.zeros((n, 32), np.uint8)
    digests[:, :2] = np.array(same, ">u2").view(np.uint8).reshape(-1, 2)
    digests[:, 2] = 1
    spec = FeatureSpec(
        backbone="b",
        weights_digest="0" * 64,
        layer="l",
        pool="avg",
        image_size=(8, 8),
        resize="squash",
        preprocess="tf",
    )
    listing = Listing(
        StringColumn.from_strings(map(str, range(n))),
        np.array(labels, np.int64),
        np.array(splits or [-1] * n, np.int8),
        StringColumn.from_strings(groups) if groups else None,
        tuple("abcdefgh"[: max(labels) + 1]),
    )
    manifest = Manifest("m", "here", listing, digests, np.zeros((n, 3), np.int64), 0)
    store = FeatureStore(root)
    rng = np.random.default_rng(0)
    _, first = np.unique(same, return_index=True)
    X = rng.normal(size=(len(first), 4)).astype(np.float32)
    store.write_rows(spec, [FeatureBatch(digests[first], X)])
    return FeatureSet(manifest, store.open_set(spec))


def test_splits_are_disjoint_stratified_and_repeatable(tmp_path: Path) -> None:
    features = make_features(tmp_path, [0] * 50 + [1] * 100)
    split = split_features(features)
    rows = np.concatenate([split.train, split.val, split.test])
    assert sorted(rows) == list(range(150))
    assert np.bincount(features.y[split.test]).tolist() == [10, 20]
    assert np.bincount(features.y[split.val]).tolist() == [8, 16]
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


def test_training_images_that_stand_in_a_given_test_split_are_left_out(tmp_path: Path) -> None:
    features = make_features(
        tmp_path, [0, 1] * 20, [0] * 30 + [2] * 10, same=[*range(30), *range(10)]
    )
    split = split_features(features)
    assert split.n_leaking == 10 - np.isin(split.val, range(10)).sum()
    assert not set(split.train) & set(range(10))


def test_groups_stay_together(tmp_path: Path) -> None:
    groups = [f"g{i // 5}" for i in range(100)]
    features = make_features(tmp_path, [i // 5 % 2 for i in range(100)], groups=groups)
    split = split_features(features)
    sides = [{groups[row] for row in rows} for rows in (split.train, split.val, split.test)]
    assert not sides[0] & sides[1] and not sides[0] & sides[2] and not sides[1] & sides[2]
    assert len(split.test) == 20


def test_a_single_sample_stays_in_train(tmp_path: Path) -> None:
    features = make_features(tmp_path, [0] * 20 + [1])
    assert 20 in split_features(features).train


def test_no_labels(tmp_path: Path) -> None:
    features = make_features(tmp_path, [0, 1])
    features.y[:] = -1
    with pytest.raises(TrainingDataError, match="no labels"):
        split_features(features)
