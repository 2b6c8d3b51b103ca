"""Export and import: what goes out comes back, and plain tools read it."""

from __future__ import annotations

import json
import resource
import sys
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pyarrow.parquet as pq
import pytest
from cache_shared import fill, flip, make_spec, manifest_of, offset_of_rows, rows_of, shards_in

from featx.cache import FeatureStore, Listing, Manifest, StringColumn
from featx.cache.errors import CacheFormatError, ConfigError, SourceFormatError, SourceNotFoundError
from featx.cache.exchange.export import export
from featx.cache.exchange.import_ import import_features


@pytest.fixture
def store(tmp_path: Path) -> FeatureStore:
    store = FeatureStore(tmp_path / "cache")
    fill(store, names=range(20), per_shard=8)
    return store


def read(path: Path) -> dict[str, Any]:
    """Read an exported file with plain tools."""
    if path.suffix == ".npz":
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file}
    if path.suffix == ".parquet":
        table = pq.read_table(path)
        names = json.loads(table.schema.metadata[b"class_names"])
        return {
            "X": np.stack(table["features"].to_numpy()),
            "y": table["label"].to_numpy(),
            "sample_ids": np.array(table["sample_id"].to_pylist()),
            "class_names": np.array(names),
            "splits": np.array([s or "" for s in table["split"].to_pylist()]),
        }
    with h5py.File(path, "r") as file:
        text = {n: np.array(file[n].asstr()[()]) for n in ("sample_ids", "class_names", "splits")}
        return {"X": file["X"][()], "y": file["y"][()], **text}


@pytest.mark.parametrize("ending", ["h5", "hdf5", "npz", "parquet"])
@pytest.mark.parametrize("storage", ["float32", "float16"])
def test_export_is_read_by_plain_tools(tmp_path: Path, ending: str, storage: str) -> None:
    store = FeatureStore(tmp_path / "cache")
    fill(store, spec=make_spec(storage=storage))
    path = tmp_path / f"out.{ending}"
    report = export(store.open_features(), path)
    assert (report.n_samples, report.n_features, report.n_missing) == (20, 5, 0)
    assert report.n_bytes == path.stat().st_size
    back = read(path)
    assert back["X"].dtype == storage
    assert (back["X"] == rows_of(range(20)).astype(storage)).all()
    assert back["y"].tolist() == [i % 2 for i in range(20)]
    assert back["sample_ids"].tolist() == [f"image-{i}.png" for i in range(20)]
    assert back["class_names"].tolist() == ["cat", "dog"]
    assert back["splits"].tolist()[:4] == ["train", "val", "test", "train"]
    assert [p.name for p in tmp_path.iterdir() if p.is_file()] == [path.name]


def test_export_of_a_damaged_row_leaves_nothing(store: FeatureStore, tmp_path: Path) -> None:
    hurt = shards_in(store.root)[1]
    flip(hurt, offset_of_rows(hurt))
    for ending in ("h5", "npz", "parquet"):
        with pytest.raises(CacheFormatError, match=hurt.name):
            export(store.open_features(), tmp_path / f"out.{ending}")
    assert [p.name for p in tmp_path.iterdir()] == ["cache"]


def test_export_to_an_unknown_ending_is_refused(store: FeatureStore, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"\.parquet"):
        export(store.open_features(), tmp_path / "out.csv")


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


def test_export_needs_memory_for_a_block_only(tmp_path: Path) -> None:
    import subprocess

    script = """
import re, sys
from pathlib import Path
import numpy as np
from featx.cache import FeatureBatch, FeatureStore
sys.path.insert(0, sys.argv[2])
from cache_shared import make_spec, manifest_of, record_of, digests_of
from featx.cache.exchange.export import export
root = Path(sys.argv[1])
store, spec = FeatureStore(root / "cache"), make_spec()
for i in range(10):
    X = np.ones((2000, 2048), np.float32)
    store.write_rows(spec, [FeatureBatch(digests_of(range(i * 2000, i * 2000 + 2000)), X)])
store.write_manifest(manifest_of("photos", range(20000)))
store.write_run(record_of("photos", spec, 20000))
def anonymous():
    text = Path("/proc/self/status").read_text()
    return int(re.search(r"RssAnon:\\s+(\\d+)", text)[1]) / 1000
import pyarrow.parquet
before = anonymous()
for ending in ("h5", "npz", "parquet"):
    export(store.open_features(), root / f"out.{ending}")
    (root / f"out.{ending}").unlink()
print(anonymous() - before)
"""
    words = [sys.executable, "-c", script, str(tmp_path), str(Path(__file__).parents[2])]
    run = subprocess.run(words, capture_output=True, text=True, check=True)
    assert float(run.stdout) < 120, "MB, of 164 MB of rows"
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss > 0
