"""FeatureSet: rows by masks, splits, NumPy and pandas, and what it shows of itself."""

from __future__ import annotations

import pickle
import sys
from pathlib import Path

import numpy as np
import pytest
from selection_shared import make_features, three_classes

import featx
from featx.cache.errors import CacheError, ConfigError
from tests_shared import Cli

PIXELS = ("--backbone", "pixels", "--size", "8")

SPLITS = [0, 0, 1, 2, -1, 0]


def test_masks_slices_and_indices_give_feature_sets(tmp_path: Path) -> None:
    features = make_features(tmp_path, [0, 1, 0, 1, 0, 1], SPLITS)
    mask = features.y == 1
    part = features[mask]
    assert np.array_equal(part.X[:], features.X[mask])
    assert list(part.sample_ids) == ["1.png", "3.png", "5.png"]
    assert part.y.tolist() == [1, 1, 1] and part.class_names == features.class_names
    assert list(features[::-2].sample_ids) == ["5.png", "3.png", "1.png"]
    assert np.array_equal(features[[4, 0]].to_numpy(), features.X[np.array([4, 0])])
    assert list(part[[True, False, True]].sample_ids) == ["1.png", "5.png"]
    with pytest.raises(ConfigError, match="a slice, a mask or an array"):
        features[3]


def test_to_numpy_copies_in_the_format_asked_for(tmp_path: Path) -> None:
    features = three_classes(tmp_path, 9)
    X = features.to_numpy()
    assert X.shape == (9, 32) and X.dtype == np.float32 and X.flags.writeable
    assert features.to_numpy(np.float64).dtype == np.float64


def test_splits_are_those_that_fit_takes(cli: Cli, photos: Path, tmp_path: Path) -> None:
    assert cli("extract", photos, *PIXELS).exit_code == 0
    features = featx.open_features(cache=tmp_path / "featx-cache")
    report = featx.fit(options=featx.HeadOptions("ridge"), cache=tmp_path / "featx-cache")
    for name, rows in {"train": report.split.train, "test": report.split.test}.items():
        part = features.split(name)
        assert list(part.sample_ids) == [features.sample_ids[row] for row in rows]
        assert np.array_equal(part.X[:], features.X[rows])
    with pytest.raises(ConfigError, match=r"unknown split 'tset'\. Did you mean test"):
        features.split("tset")


def test_splits_of_a_store_are_those_of_the_source(tmp_path: Path) -> None:
    features = make_features(tmp_path, [0, 1, 0, 1, 0, 1], SPLITS)
    assert list(features.split("train").sample_ids) == ["0.png", "1.png", "5.png"]
    assert list(features.split("test").sample_ids) == ["3.png"]


def test_to_pandas(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    features = make_features(tmp_path, [0, 1, -1], [0, -1, 2], groups=["g", "h", "h"])
    frame = features.to_pandas()
    assert frame.index.name == "sample_id" and list(frame.index) == ["0.png", "1.png", "2.png"]
    assert list(frame.columns) == ["label", "split", "group", *(f"x{i}" for i in range(32))]
    assert frame["label"].tolist()[:2] == ["a", "b"] and pandas.isna(frame["label"].iloc[2])
    assert frame["split"].tolist()[0] == "train" and pandas.isna(frame["split"].iloc[1])
    assert np.array_equal(frame.filter(regex="^x").to_numpy(), features.to_numpy())


def test_to_pandas_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ConfigError, match="pip install pandas"):
        three_classes(tmp_path, 9).to_pandas()


def test_it_shows_what_it_holds(tmp_path: Path) -> None:
    features = make_features(tmp_path, [0, 1, 0, 1, 0, 1], SPLITS)
    text = repr(features)
    for fact in ("m@", "6 samples × 32 features, float32", "2 classes: a, b", "3 train, 1 val"):
        assert fact in text
    assert "here" in text and "FeatureMatrix(6 samples" in repr(features.X)
    html = features._repr_html_()
    assert html.startswith("<table>") and "6 samples × 32 features" in html


def test_a_matrix_is_pickled_as_where_its_rows_lie(tmp_path: Path) -> None:
    features = three_classes(tmp_path, 9)
    data = pickle.dumps(features.X.select(np.array([5, 2])))
    X = features.to_numpy()
    assert X[5].tobytes() not in data
    assert np.array_equal(np.asarray(pickle.loads(data)), X[[5, 2]])
    for shard in tmp_path.rglob("*.h5"):
        shard.unlink()
    with pytest.raises(CacheError, match="lacks rows"):
        pickle.loads(data)
