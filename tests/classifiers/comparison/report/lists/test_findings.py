"""The lists of images to look at."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from selection_shared import make_features

from featx.cache import FeatureSet
from featx.classifiers.comparison.report.lists.label_errors import find_label_errors, skipped
from featx.classifiers.selection.splitting.splits import split_features


def test_wrong_labels_are_found(made: SimpleNamespace) -> None:
    pytest.importorskip("cleanlab", reason="needs cleanlab: pip install 'featx[report]'")
    rows = made.data["csv"]["label-errors"]
    assert rows[0][:3] == ["id", "label", "suggested"]
    wrong = [row for row in rows[1:] if "wrong" in row[0]]
    assert len(wrong) >= 6 and all(row[1] == "blue" for row in wrong)
    assert len(rows) - 1 <= len(wrong) + 2, "few right labels are doubted"


def test_rare_classes_are_left_out(tmp_path: Path) -> None:
    pytest.importorskip("cleanlab", reason="needs cleanlab: pip install 'featx[report]'")
    labels = [0, 1] * 30 + [2, 2]
    features = make_features(tmp_path / "a", labels)
    found = find_label_errors(features, split_features(features))
    assert found.n_judged == 60 and not (found.given == 2).any()
    few = make_features(tmp_path / "b", [0] * 30 + [1, 1])
    assert "fewer than two classes" in find_label_errors(few, split_features(few)).skipped
    wrong = np.array(labels)
    wrong[[4, 9]] = [1, 0]
    X = np.asarray(features.X[:])
    mixed = make_features(tmp_path / "c", wrong.tolist(), X=X)
    found = find_label_errors(mixed, split_features(mixed))
    assert {4, 9} <= set(found.rows.tolist())


def test_weights_of_samples_count_when_labels_are_doubted(tmp_path: Path) -> None:
    pytest.importorskip("cleanlab", reason="needs cleanlab: pip install 'featx[report]'")
    labels = np.array([0, 1] * 60)
    labels[:30:2] = 1  # a quarter of the first class, called by the other's name
    rng = np.random.default_rng(0)
    X = rng.normal(size=(120, 8)) * 0.4
    X[:, 0] += np.tile([0, 3], 60)
    features = make_features(tmp_path, labels.tolist(), X=X)
    split = split_features(features)
    plain = find_label_errors(features, split)
    listing = replace(features.manifest.listing, weights=np.where(np.arange(120) < 30, 0.01, 1.0))
    weighted = replace(features.manifest, listing=listing)
    less = find_label_errors(FeatureSet(weighted, features._shards), split)
    wrong = set(range(0, 30, 2))
    found = [len(wrong & set(one.rows.tolist())) for one in (plain, less)]
    assert found[1] > found[0]


def test_lists_say_why_they_are_empty() -> None:
    assert skipped("no reason").skipped == "no reason" and not len(skipped("").rows)
