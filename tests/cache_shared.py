"""Small caches that the cache's tests build."""

from __future__ import annotations

import hashlib
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from featx.cache import (
    FeatureBatch,
    FeatureSpec,
    FeatureStore,
    Listing,
    Manifest,
    RunRecord,
    StringColumn,
)
from featx.cache.format import version

N_FEATURES = 5


def make_spec(backbone: str = "tiny", **fields: Any) -> FeatureSpec:
    """Return a spec; only its fingerprint matters."""
    plain: dict[str, Any] = {
        "weights_digest": "0" * 64,
        "layer": "top",
        "pool": "avg",
        "image_size": (8, 8),
        "resize": "squash",
        "preprocess": "none",
    }
    return FeatureSpec(backbone=backbone, **{**plain, **fields})


def digests_of(names: range | list[int]) -> NDArray[np.uint8]:
    """Return the digests of made-up images, which numbers name."""
    raw = b"".join(hashlib.sha256(b"%d" % name).digest() for name in names)
    return np.frombuffer(raw, np.uint8).reshape(-1, 32)


def rows_of(names: range | list[int], width: int = N_FEATURES) -> NDArray[np.float32]:
    """Return the features of made-up images: a function of the image, as real ones are."""
    base = np.array(list(names), np.float32)[:, None]
    return base + np.arange(width, dtype=np.float32) / 8


def batch_of(names: range | list[int], width: int = N_FEATURES) -> FeatureBatch:
    """Return the rows that an extraction of these images would write."""
    return FeatureBatch(digests_of(names), rows_of(names, width))


def manifest_of(name: str, names: range | list[int]) -> Manifest:
    """Return the snapshot of a source with these images, of two classes by turns."""
    n = len(names)
    listing = Listing(
        StringColumn.from_strings(f"image-{i}.png" for i in names),
        np.arange(n, dtype=np.int64) % 2,
        np.arange(n, dtype=np.int8) % 3,
        None,
        ("cat", "dog"),
    )
    stamps = np.ones((n, 3), np.int64)
    return Manifest(name, f"/photos/{name}", listing, digests_of(names), stamps, time.time_ns())


def record_of(name: str, spec: FeatureSpec, n: int) -> RunRecord:
    """Return the record of a run that extracted everything."""
    return RunRecord(name, spec.fingerprint, time.time_ns(), n, n, 0, 0, 1.0, "test")


def fill(
    store: FeatureStore,
    name: str = "photos",
    names: range | list[int] = range(20),
    per_shard: int = 8,
    spec: FeatureSpec | None = None,
) -> FeatureSpec:
    """Do what an extraction of one source does to a cache; rows that are there are not written."""
    spec = spec or make_spec()
    index = store.open_set(spec).index
    new = [n for n, row in zip(names, index.find(digests_of(names)), strict=True) if row < 0]
    for start in range(0, len(new), per_shard):
        store.write_rows(spec, [batch_of(new[start : start + per_shard])])
    store.write_manifest(manifest_of(name, names))
    store.write_run(record_of(name, spec, len(names)))
    return spec


def shards_in(root: Path) -> list[Path]:
    """Return all shards below a cache's folder, in order."""
    return sorted(root.glob("sets/*/shards/*.h5"))


def flip(path: Path, offset: int) -> None:
    """Flip every bit of one byte of a file."""
    with path.open("r+b") as file:
        file.seek(offset)
        byte = file.read(1)[0]
        file.seek(offset)
        file.write(bytes([byte ^ 0xFF]))


def offset_of_rows(path: Path) -> int:
    """Return where the rows begin in an uncompressed shard."""
    import h5py

    with h5py.File(path, "r") as file:
        return int(file["X"].id.get_offset())


def snapshot(root: Path) -> dict[str, bytes]:
    """Return every file below ``root`` with its bytes."""
    return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}


def hurt_in_every_way(store: FeatureStore, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Damage a cache of three shards; return what verify must find, by file name."""
    flipped, cut, _ = shards_in(store.root)
    flip(flipped, offset_of_rows(flipped) + 20 * 3)
    cut.write_bytes(cut.read_bytes()[:-100])
    folder = flipped.parent
    (folder / "notes.h5").write_bytes(b"not HDF5")
    (folder / "README").write_text("hello", encoding="utf-8")
    monkeypatch.setattr(version, "FORMAT_VERSION", 2)
    newer = store.write_rows(make_spec(), [batch_of([500])])
    monkeypatch.undo()
    flip(store.layout.manifest("photos"), 3000)
    store.layout.quarantine("photos").write_text("{", encoding="utf-8")
    (run,) = store.layout.run_paths()
    run.write_text("[]", encoding="utf-8")
    return {
        flipped.name: "damaged",
        cut.name: "damaged",
        "notes.h5": "damaged",
        "README": "foreign",
        newer.name: "newer",
        "photos.h5": "damaged",
        "photos.jsonl": "damaged",
        "photos.json": "damaged",
    }
