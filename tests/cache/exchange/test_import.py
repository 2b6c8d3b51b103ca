"""Importing features, our own and those of others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import ml_dtypes
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from cache_shared import fill, manifest_of, shards_in
from pyarrow import feather

from featx.cache import FeatureStore, Listing, Manifest, StringColumn
from featx.cache.errors import ConfigError, SourceFormatError, SourceNotFoundError
from featx.cache.exchange.export import export
from featx.cache.exchange.import_ import import_features


@pytest.mark.parametrize("ending", ["h5", "npz"])
def test_what_is_exported_can_be_imported(store: FeatureStore, tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"my features.{ending}"
    export(store.open_features(), path)
    target = FeatureStore(tmp_path / "target")
    report = import_features(target, path)
    assert (report.n_samples, report.n_features, report.n_new) == (20, 5, 20)
    features = target.open_features(report.name)
    original = store.open_features()
    assert features.name.startswith("my-features@")
    assert (np.asarray(features.X) == np.asarray(original.X)).all()
    assert (features.y == original.y).all()
    assert (features.splits == original.splits).all()
    assert features.sample_ids == original.sample_ids
    assert features.class_names == original.class_names
    assert features.spec.backbone == "imported"
    assert target.list_features()[0].location == str(path.resolve())
    again = import_features(target, path)
    assert (again.name, again.n_new) == (report.name, 0)
    assert len(shards_in(target.root)) == 1


def test_groups_survive_the_round_trip(tmp_path: Path) -> None:
    store = FeatureStore(tmp_path / "cache")
    fill(store, names=range(4))
    plain = manifest_of("photos", range(4))
    old = plain.listing
    groups = StringColumn.from_strings(["a", "a", "ü", ""])
    listing = Listing(old.sample_ids, old.labels, old.splits, groups, old.class_names)
    stamps, created = plain.stamps, plain.created_ns
    store.write_manifest(Manifest("photos", "/x", listing, plain.digests, stamps, created))
    export(store.open_features(), tmp_path / "g.h5")
    import_features(store, tmp_path / "g.h5", "again")
    back = store.open_features("again")
    assert back.manifest.listing.groups == groups


def test_import_takes_what_others_write(tmp_path: Path) -> None:
    store = FeatureStore(tmp_path / "cache")
    X = np.arange(12, dtype=np.float64).reshape(4, 3)
    np.savez(tmp_path / "bare.npz", X=X)
    features = store.open_features(import_features(store, tmp_path / "bare.npz").name)
    assert features.X.dtype == np.float32
    assert (np.asarray(features.X) == X).all()
    assert features.y.tolist() == [-1] * 4
    assert features.sample_ids[0] == "row-0000000"
    np.savez(tmp_path / "named.npz", X=X, y=np.array(["dog", "cat", "dog", "cow"]))
    features = store.open_features(import_features(store, tmp_path / "named.npz").name)
    assert features.class_names == ("cat", "cow", "dog")
    assert features.y.tolist() == [2, 0, 2, 1]
    with h5py.File(tmp_path / "ints.h5", "w") as file:
        file["X"], file["y"] = X.astype(np.float16), np.array([0, 2, 1, 2], np.uint8)
    features = store.open_features(import_features(store, tmp_path / "ints.h5").name)
    assert features.X.dtype == np.float16
    assert features.class_names == ("0", "1", "2")


@pytest.mark.parametrize(
    ("arrays", "problem"),
    [
        ({"y": np.zeros(3)}, "no X"),
        ({"X": np.zeros(3)}, "no X of shape"),
        ({"X": np.zeros((0, 3))}, "no X of shape"),
        ({"X": np.zeros((3, 2)), "y": np.zeros((3, 1), int)}, "y has shape"),
        ({"X": np.zeros((3, 2)), "y": np.zeros(2, int)}, "differ in length"),
        ({"X": np.full((3, 2), np.nan)}, "NaN"),
        ({"X": np.full((3, 2), "a")}, "could not convert"),
        ({"X": np.zeros((2, 2)), "sample_ids": np.array(["a", "a"])}, "occurs twice"),
        ({"X": np.zeros((2, 2)), "y": [0, 5], "class_names": ["a"]}, "outside the class names"),
        ({"X": np.zeros((2, 2)), "splits": ["train", "dev"]}, "dev"),
        ({"X": np.array([[object()]])}, "Object arrays cannot be loaded"),
    ],
)
def test_import_refuses_what_holds_no_features(
    tmp_path: Path, arrays: dict[str, Any], problem: str
) -> None:
    np.savez(tmp_path / "bad.npz", **arrays)
    store = FeatureStore(tmp_path / "cache")
    with pytest.raises(SourceFormatError, match=problem):
        import_features(store, tmp_path / "bad.npz")
    assert store.list_features() == []


def test_import_of_no_file_or_another_kind_of_file(tmp_path: Path) -> None:
    store = FeatureStore(tmp_path / "cache")
    with pytest.raises(SourceNotFoundError):
        import_features(store, tmp_path / "nothing.h5")
    (tmp_path / "text.h5").write_text("hello", encoding="utf-8")
    with pytest.raises(SourceFormatError, match="neither HDF5 nor"):
        import_features(store, tmp_path / "text.h5")
    np.savez(tmp_path / "a.npz", X=np.zeros((2, 2)))
    with pytest.raises(ConfigError, match="letters, digits"):
        import_features(store, tmp_path / "a.npz", "../escape")


@pytest.mark.parametrize("ending", ["parquet", "arrow", "feather", "safetensors", "npz", "h5"])
@pytest.mark.parametrize("storage", [np.float32, np.float16])
def test_every_export_comes_back(tmp_path, ending, storage):
    X = np.arange(12, dtype=storage).reshape(4, 3)
    given = {"X": X, "y": [0, 1, -1, 1], "class_names": ["a", "b"], "groups": ["g", "g", "ü", ""]}
    given |= {"sample_ids": list("wxyz"), "splits": ["train", "val", "", "test"]}
    np.savez(tmp_path / "given.npz", **given)
    first, second = FeatureStore(tmp_path / "one"), FeatureStore(tmp_path / "two")
    name = import_features(first, tmp_path / "given.npz").name
    path = tmp_path / f"out.{ending}"
    export(first.open_features(name), path)
    export(first.open_features(name), path)  # an export may replace an export
    came = second.open_features(import_features(second, path).name)
    assert came.X.dtype == storage and np.array_equal(came.X[:], X)
    assert came.y.tolist() == [0, 1, -1, 1] and came.class_names == ("a", "b")
    assert list(came.sample_ids) == list("wxyz") and came.splits.tolist() == [0, 1, -1, 2]
    assert list(came.manifest.listing.groups) == ["g", "g", "ü", ""]


def imported(folder, name):
    store = FeatureStore(folder / "cache")
    return store.open_features(import_features(store, folder / name).name)


def test_tables_of_others_come_in(tmp_path):
    lists = pa.chunked_array([[[1.0, 2.0]], [[3.0, 4.0], [5.0, 6.0]]])
    feather.write_feather(
        pa.table({"features": lists, "label": pa.array([1, None, 0])}), tmp_path / "a.feather"
    )
    features = imported(tmp_path, "a.feather")
    assert features.X[:].tolist() == [[1, 2], [3, 4], [5, 6]]
    assert features.y.tolist() == [1, -1, 0] and features.class_names == ("0", "1")
    for column in ("label", "class_name"):
        table = pa.table({"features": lists, column: ["b", None, "a"], "sample_id": [7, 8, 9]})
        pq.write_table(table, tmp_path / f"{column}.parquet")
        features = imported(tmp_path, f"{column}.parquet")
        assert features.y.tolist() == [1, -1, 0] and features.class_names == ("a", "b")
        assert list(features.sample_ids) == ["7", "8", "9"]


@pytest.mark.parametrize(
    ("column", "told"),
    [
        ([[1.0, 2.0], [3.0]], "1 and 2 numbers"),
        ([[1.0], None], "1 rows of its column"),
        ([1.0, 2.0], "expected lists of numbers"),
        (["a", "b"], "expected lists of numbers"),
    ],
)
def test_tables_without_a_matrix_are_refused(tmp_path, column, told):
    pq.write_table(pa.table({"features": column}), tmp_path / "a.parquet")
    with pytest.raises(SourceFormatError, match=told):
        imported(tmp_path, "a.parquet")
    pq.write_table(pa.table({"vector": column}), tmp_path / "a.parquet")
    with pytest.raises(SourceFormatError, match="the columns vector, and no `features`"):
        imported(tmp_path, "a.parquet")


def test_safetensors_of_the_library_come_in(tmp_path):
    library = pytest.importorskip("safetensors.numpy")
    X = np.arange(6, dtype=np.float32).reshape(3, 2)
    library.save_file({"y": np.array([1, 0, 1]), "X": X}, tmp_path / "a.safetensors")
    features = imported(tmp_path, "a.safetensors")
    assert np.array_equal(features.X[:], X) and features.y.tolist() == [1, 0, 1]
    library.save_file({"X": X.astype(ml_dtypes.bfloat16)}, tmp_path / "b.safetensors")
    features = imported(tmp_path, "b.safetensors")
    assert features.X.dtype == np.float32 and np.array_equal(features.X[:], X)
    export(features, tmp_path / "c.safetensors")
    tensors = library.load_file(tmp_path / "c.safetensors")
    assert np.array_equal(tensors["X"], X) and tensors["y"].tolist() == [-1, -1, -1]
