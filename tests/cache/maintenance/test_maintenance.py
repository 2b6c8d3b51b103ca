"""Verify, repair, gc, rm, merge and compact, on real files."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cache_shared import (
    batch_of,
    digests_of,
    fill,
    flip,
    make_spec,
    manifest_of,
    offset_of_rows,
    rows_of,
    shards_in,
)

import featx.cache.exchange.merge as merge_module
import featx.cache.maintenance.reachability as reachability
from featx.cache import BadImage, FeatureStore
from featx.cache.errors import CacheFormatError, FeaturesNotFoundError
from featx.cache.exchange.merge import merge
from featx.cache.format import version
from featx.cache.maintenance.compact import compact
from featx.cache.maintenance.gc import collect_garbage, find_garbage
from featx.cache.maintenance.repair import repair
from featx.cache.maintenance.rm import find_removal, remove
from featx.cache.maintenance.verify import verify


def snapshot(root: Path) -> dict[str, bytes]:
    """Return every file below ``root`` with its bytes."""
    return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}


@pytest.fixture
def store(tmp_path: Path) -> FeatureStore:
    store = FeatureStore(tmp_path / "cache")
    fill(store, names=range(20), per_shard=8)
    store.write_quarantine("photos", [BadImage("bad.png", "", "it is empty")])
    return store


def test_verify_finds_nothing_in_a_whole_cache_and_changes_nothing(store: FeatureStore) -> None:
    before = snapshot(store.root)
    report = verify(store)
    assert report.findings == []
    assert report.n_files == len(before)
    assert report.n_bytes == sum(map(len, before.values()))
    assert snapshot(store.root) == before


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


def test_verify_names_every_file_that_is_not_as_it_was_written(
    store: FeatureStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = hurt_in_every_way(store, monkeypatch)
    report = verify(store)
    assert {f.path.name: f.kind for f in report.findings} == expected
    assert all(finding.path.name in finding.problem for finding in report.findings)
    (rows,) = [f.bad_rows for f in report.findings if f.bad_rows]
    assert rows == (3,)


def test_repair_sets_aside_and_the_next_run_refills_just_the_missing_rows(
    store: FeatureStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    hurt_in_every_way(store, monkeypatch)
    before = snapshot(store.root)
    report = repair(store)
    assert (report.n_rows_saved, report.n_rows_lost) == (7, 1)
    assert len(report.moved) == 7
    assert len(report.left) == 1
    after = snapshot(store.root)
    assert set(before.values()) <= set(after.values()), "nothing may be deleted"
    assert [f.kind for f in verify(store).findings] == ["newer"]

    n_before = len(store.open_set(make_spec()))
    assert n_before == 7 + 4  # of 8 + 8 + 4: one row was flipped, eight were in the cut shard
    fill(store, names=range(20))
    assert len(store.open_set(make_spec())) == 20
    assert (np.asarray(store.open_features().X) == rows_of(range(20))).all()
    assert repair(store).moved == {}


def test_repair_writes_a_lost_spec_from_a_shard(store: FeatureStore) -> None:
    path = store.layout.spec(make_spec().fingerprint)
    good = path.read_bytes()
    for ruin in (lambda: path.write_text("{}", encoding="utf-8"), path.unlink):
        ruin()
        assert [f.path for f in verify(store).findings] == [path]
        assert repair(store).restored == [str(path)]
        assert path.read_bytes() == good
        assert verify(store).findings == []


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


def test_rm_deletes_what_no_other_source_uses(store: FeatureStore) -> None:
    fill(store, "others", names=range(16, 30))
    shared = shards_in(store.root)[2]  # rows 16 to 19
    name = next(s.name for s in store.list_features() if s.name.startswith("photos"))
    found = find_removal(store, name)
    assert len(found.shards) == 2
    assert len(found.shared) == len(shards_in(store.root)) - 2
    removed = remove(store, name)
    assert removed.n_bytes == found.n_bytes > 0
    assert shared.exists()
    assert not store.layout.manifest("photos").exists()
    assert not store.layout.quarantine("photos").exists()
    assert [s.record.manifest for s in store.list_features()] == ["others"]
    assert (np.asarray(store.open_features().X) == rows_of(range(16, 30))).all()
    remove(store, "others")
    assert store.list_features() == []
    assert not list((store.root / "sets").iterdir())


def test_rm_keeps_the_snapshot_that_another_set_needs(store: FeatureStore) -> None:
    spec = fill(store, spec=make_spec("second"))
    remove(store, "tiny")
    assert len(store.open_features("second")) == 20
    assert len(store.open_set(make_spec())) == 0
    assert len(store.open_set(spec)) == 20
    with pytest.raises(FeaturesNotFoundError, match="no cached features answer"):
        remove(store, "tiny")


def test_merge_adopts_shards_sources_and_runs_and_is_idempotent(
    store: FeatureStore, tmp_path: Path
) -> None:
    other = FeatureStore(tmp_path / "other")
    fill(other, "theirs", names=range(10, 40), per_shard=10)
    before = snapshot(other.root)
    report = merge(store, other)
    assert (report.n_shards, report.n_rows, report.n_sources, report.n_runs) == (3, 30, 1, 1)
    assert (np.asarray(store.open_features("theirs").X) == rows_of(range(10, 40))).all()
    assert (np.asarray(store.open_features("photos").X) == rows_of(range(20))).all()
    again = merge(store, other)
    assert (again.n_shards, again.n_present, again.n_sources, again.n_runs) == (0, 3, 0, 0)
    assert snapshot(other.root) == before
    shutil.rmtree(other.root)
    assert verify(store).findings == []


def test_merge_copies_where_it_cannot_link(
    store: FeatureStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(merge_module.os, "link", refuse)
    target = FeatureStore(tmp_path / "target")
    assert merge(target, store).n_shards == 3
    assert len(target.open_features()) == 20
    assert verify(target).findings == []
    assert {p.stat().st_nlink for p in shards_in(target.root)} == {1}


def test_merge_leaves_damaged_shards_behind_and_keeps_the_newer_source(
    store: FeatureStore, tmp_path: Path
) -> None:
    target = FeatureStore(tmp_path / "target")
    fill(target, names=range(5))
    hurt = shards_in(store.root)[0]
    flip(hurt, offset_of_rows(hurt))
    report = merge(target, store)
    assert [hurt.name in problem for problem in report.damaged] == [True]
    assert report.notes == ["both caches know the source photos: kept ours, which is newer"]
    assert len(target.open_features().manifest) == 5
    assert verify(target).findings == []
    assert len(merge(FeatureStore(tmp_path / "fresh"), target).damaged) == 0


def test_merge_of_a_folder_that_is_no_cache_is_refused(store: FeatureStore, tmp_path: Path) -> None:
    with pytest.raises(FeaturesNotFoundError, match="no feature cache"):
        merge(store, FeatureStore(tmp_path / "nothing"))


def test_compact_joins_drops_duplicates_and_keeps_order(store: FeatureStore) -> None:
    store.write_rows(make_spec(), [batch_of(range(5))])
    report = compact(store)
    assert (report.n_before, report.n_after, report.n_duplicates) == (4, 1, 5)
    assert (np.asarray(store.open_features().X) == rows_of(range(20))).all()
    again = compact(store)
    assert (again.n_before, again.n_after) == (1, 1)


def test_compact_makes_shards_of_the_target_size(tmp_path: Path) -> None:
    store = FeatureStore(tmp_path)
    spec = fill(store, names=range(100), per_shard=5)
    row = 5 * 4
    report = compact(store, target_bytes=30 * row)
    assert (report.n_before, report.n_after) == (20, 4)
    assert [len(s) for s in store.open_set(spec).shards] == [30, 30, 30, 10]
    assert (np.asarray(store.open_features().X) == rows_of(range(100))).all()


def test_compact_compresses_and_keeps_compression(store: FeatureStore) -> None:
    for how in ("gzip", None, "none"):
        compact(store, how)
        (shard,) = store.open_set(make_spec()).shards
        assert shard.compression == (how or "gzip")
        assert (np.asarray(store.open_features().X) == rows_of(range(20))).all()


def test_compact_leaves_damaged_shards_alone(store: FeatureStore) -> None:
    hurt = shards_in(store.root)[1]
    flip(hurt, offset_of_rows(hurt))
    report = compact(store)
    assert len(report.damaged) == 1
    assert hurt.exists()
    assert len(store.open_set(make_spec())) == 20


KILLED = """
import os, sys
from pathlib import Path
from featx.cache import FeatureStore
from featx.cache.maintenance.{module} import {name}
n, real = 0, Path.unlink
def unlink(self, *words, **named):
    global n
    if self.suffix == ".h5":
        n += 1
        if n > {survivors}:
            os.kill(os.getpid(), 9)
    real(self, *words, **named)
Path.unlink = unlink
{name}(FeatureStore(sys.argv[1]))
"""


@pytest.mark.parametrize(("module", "name"), [("compact", "compact"), ("gc", "collect_garbage")])
@pytest.mark.parametrize("survivors", [0, 1])
def test_killed_between_new_and_old_shards_no_row_is_lost(
    store: FeatureStore, module: str, name: str, survivors: int
) -> None:
    store.write_manifest(manifest_of("photos", [0, 1, 2, *range(9, 18)]))
    script = KILLED.format(module=module, name=name, survivors=survivors)
    run = subprocess.run([sys.executable, "-c", script, str(store.root)], check=False)
    assert run.returncode == -9
    assert verify(store).findings == []
    expected = rows_of([0, 1, 2, *range(9, 18)])
    assert (np.asarray(store.open_features().X) == expected).all()
    collect_garbage(store)
    compact(store)
    assert (np.asarray(store.open_features().X) == expected).all()
    assert len(store.open_set(make_spec())) == 12


def test_rm_trims_shards_that_other_sources_use(store: FeatureStore) -> None:
    fill(store, "others", names=range(16, 30))
    compact(store)
    X = store.open_features("others").X
    remove(store, "photos")
    assert len(store.open_set(make_spec())) == 14
    assert (np.asarray(X) == rows_of(range(16, 30))).all(), "an open reader keeps its rows"
    assert verify(store).findings == []


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
