"""Exported features are read by plain tools."""

from __future__ import annotations

import json
import os
import resource
import sys
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pyarrow.parquet as pq
import pytest
from cache_shared import fill, flip, make_spec, offset_of_rows, rows_of, shards_in

from featx.cache import FeatureStore
from featx.cache.errors import CacheFormatError, ConfigError
from featx.cache.exchange.export import export


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
try:
    import pandas  # pyarrow loads it where it is installed
except ImportError:
    pass
before = anonymous()
for ending in ("h5", "npz", "parquet"):
    export(store.open_features(), root / f"out.{ending}")
    (root / f"out.{ending}").unlink()
print(anonymous() - before)
"""
    words = [sys.executable, "-c", script, str(tmp_path), str(Path(__file__).parents[2])]
    # Arrow's own pools give memory back when they like; the system's at once.
    environment = {**os.environ, "ARROW_DEFAULT_MEMORY_POOL": "system"}
    run = subprocess.run(words, capture_output=True, text=True, check=True, env=environment)
    assert float(run.stdout) < 120, "MB, of 164 MB of rows"
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss > 0
