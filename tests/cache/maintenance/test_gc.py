"""Garbage collection deletes what nothing refers to, and nothing else."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cache_shared import (
    digests_of,
    fill,
    flip,
    make_spec,
    manifest_of,
    rows_of,
    shards_in,
    snapshot,
)

import featx.cache.maintenance.reachability as reachability
from featx.cache import FeatureStore
from featx.cache.errors import CacheFormatError, FeaturesNotFoundError
from featx.cache.exchange.merge import merge
from featx.cache.maintenance.compact import compact
from featx.cache.maintenance.gc import collect_garbage, find_garbage
from featx.cache.maintenance.repair import repair
from featx.cache.maintenance.rm import remove
from featx.cache.maintenance.verify import verify


def test_partials_are_ignored_by_readers_and_removed_by_gc_when_old(store: FeatureStore) -> None:
    (first, *_) = shards_in(store.root)
    old, young = (first.with_name(f"{n}.h5.{n}.partial") for n in ("old", "young"))
    for path in (old, young):
        path.write_bytes(first.read_bytes()[:500])
    past = time.time() - 3700
    os.utime(old, (past, past))
    assert verify(store).findings == []
    assert len(verify(store).partials) == 2
    assert len(store.open_features()) == 20
    garbage = collect_garbage(store)
    assert garbage.partials == [old]
    assert not old.exists()
    assert young.exists()


def test_layers_that_no_set_is_of_are_removed_when_old(store: FeatureStore, tmp_path: Path) -> None:
    (spec,) = {features.spec for features in store.list_features()}
    names = (spec.weights_digest, "1" * 64, "2" * 64)
    for name in names:
        layers = tmp_path / f"{name}.npz"
        np.savez(layers, a0=np.arange(9))
        store.keep_layers(layers)
    used, old, young = (store.layout.tuned / f"{name}.npz" for name in names)
    past = time.time() - 3700
    for path in (used, old):
        os.utime(path, (past, past))
    assert verify(store).findings == []
    assert collect_garbage(store).partials == [old]
    assert used.exists() and young.exists() and not old.exists()
    flip(used, used.stat().st_size // 2)
    assert [finding.path for finding in verify(store).findings] == [used]
    other = FeatureStore(tmp_path / "other")
    assert any(str(used) in text for text in merge(other, store).damaged)
    assert [path.name for path in other.layout.layer_paths()] == [young.name]


def test_gc_deletes_the_rows_of_deleted_images_and_nothing_else(store: FeatureStore) -> None:
    fill(store, "others", names=range(15, 30))
    store.write_manifest(manifest_of("photos", range(3, 12)))
    before = snapshot(store.root)
    found = find_garbage(store)
    assert snapshot(store.root) == before, "looking deletes nothing"
    # 20 rows of photos and 10 new ones of others; in use are 3 to 11 and 15 to 29.
    assert found.n_rows == 3 + 3
    X = store.open_features("others").X
    removed = collect_garbage(store)
    assert removed.n_rows == 6
    assert find_garbage(store).n_rows == 0
    shards = store.open_set(make_spec())
    assert len(shards) == 24
    assert (np.asarray(store.open_features("photos").X) == rows_of(range(3, 12))).all()
    assert (np.asarray(X) == rows_of(range(15, 30))).all(), "an open reader keeps its rows"
    assert verify(store).findings == []


def test_a_set_of_a_run_killed_before_its_first_file_harms_nothing(
    store: FeatureStore, tmp_path: Path
) -> None:
    folder = store.layout.set_folder("f" * 64)
    folder.mkdir()
    partial = folder / "spec.json.0.partial"
    partial.write_text("{", encoding="utf-8")
    assert verify(store).findings == []
    assert merge(FeatureStore(tmp_path / "target"), store).damaged == []
    assert compact(store).n_after == 1
    os.utime(partial, (0, 0))
    assert collect_garbage(store).sets == [folder]
    assert not folder.exists()


def test_gc_refuses_where_nobody_can_tell_what_is_in_use(store: FeatureStore) -> None:
    manifest = store.layout.manifest("photos")
    flip(manifest, 3000)
    with pytest.raises(CacheFormatError, match="checksum"):
        collect_garbage(store)
    repair(store)
    with pytest.raises(FeaturesNotFoundError, match="extract that source again"):
        collect_garbage(store)
    assert len(store.open_set(make_spec())) == 20


def write_sweep(store: FeatureStore, features: str) -> Path:
    path = store.layout.sweeps(features) / "ridge-0123.json"
    path.parent.mkdir(parents=True)
    path.write_text("{}", encoding="utf-8")
    return path


def test_sweeps_are_verified_and_go_with_their_features(store: FeatureStore) -> None:
    fill(store, "others", names=range(5))
    names = {s.record.manifest: s.name for s in store.list_features()}
    swept = {source: write_sweep(store, name) for source, name in names.items()}
    gone = write_sweep(store, "gone@0123456789ab")
    assert verify(store).findings == []
    foreign = gone.with_name("notes.txt")
    foreign.write_text("mine", encoding="utf-8")
    (swept["others"].parent / "broken.json").write_text("{", encoding="utf-8")
    assert {f.path.name: f.kind for f in verify(store).findings} == {
        "notes.txt": "foreign",
        "broken.json": "damaged",
    }
    assert collect_garbage(store).sweeps == [gone.parent]
    assert not gone.exists()
    assert foreign.exists(), "not ours"
    assert swept["photos"].exists()
    remove(store, "photos")
    assert not swept["photos"].parent.exists()
    assert swept["others"].exists()


def test_gc_spares_rows_that_are_named_while_it_looks(
    store: FeatureStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run names rows after gc has decided to delete them, and counts on them."""
    store.write_manifest(manifest_of("photos", range(10)))
    real = reachability.naming_paused
    with store.begin_run("extract", "others", "/o", [make_spec()]) as run:

        def late(folder: Path) -> Any:
            monkeypatch.setattr(reachability, "naming_paused", real)
            run.count_on(digests_of([12, 18]))
            return real(folder)

        monkeypatch.setattr(reachability, "naming_paused", late)
        collect_garbage(store)
        index = store.open_set(make_spec()).index
        assert (index.find(digests_of([*range(10), 12, 18])) >= 0).all()
        assert len(index) == 12
