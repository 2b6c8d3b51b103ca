"""Features whose source is gone: deleted ones go, and what may come back stays with a word."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from cache_shared import digests_of, fill, make_spec, manifest_of, record_of

from featx.cache import FeatureStore
from featx.cache.maintenance import sources_gone
from featx.cache.maintenance.gc import collect_garbage, find_garbage
from featx.cache.maintenance.sources_gone import find_gone, forget
from tests_shared import CHEAP, Cli


def add(store: FeatureStore, name: str, location: str, names: range, engine: str = "test") -> None:
    spec = fill(store, name=name, names=names)
    store.write_manifest(replace(manifest_of(name, names), location=location))
    store.write_run(replace(record_of(name, spec, len(names)), engine=engine))


def test_rows_that_other_sources_use_stay(tmp_path: Path) -> None:
    store, there = FeatureStore(tmp_path / "cache"), tmp_path / "there"
    there.mkdir()
    add(store, "there", str(there), range(10))
    add(store, "gone", str(tmp_path / "gone"), range(5, 20))
    store.write_quarantine("gone", [])
    gone = find_gone(store)
    assert [one.record.manifest for one in gone.features] == ["gone"] and not gone.unsure
    assert gone.n_bytes > 0
    planned = find_garbage(store, without=gone.manifests)
    assert planned.n_rows == 10
    assert len(store.open_features("gone")) == 15  # nothing has changed yet
    forget(store, gone.features)
    assert collect_garbage(store).n_rows == 10
    assert [s.record.manifest for s in store.list_features()] == ["there"]
    found = store.open_set(make_spec()).index.find(digests_of(range(20))) >= 0
    assert found.tolist() == [True] * 10 + [False] * 10


@pytest.mark.parametrize(
    ("location", "reason"),
    [
        ("s3://bucket/photos", "a URL"),
        ("/mnt/no-such-disk/photos", "/mnt/no-such-disk is not there, perhaps because"),
        ("/media/somebody-else/stick/photos", "is not there, perhaps because it is not mounted"),
        ("/no-such-volume/photos", "/no-such-volume is not there"),
        ("9 files, the first /x/a.png (0123)", "several places"),
    ],
)
def test_places_that_may_come_back(tmp_path: Path, location: str, reason: str) -> None:
    store = FeatureStore(tmp_path / "cache")
    add(store, "photos", location, range(4))
    gone = find_gone(store)
    assert not gone.features
    (word,) = gone.unsure.values()
    assert word.startswith(f"{location}: ") and reason in word


def test_a_declared_mount_that_is_not_mounted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mount = tmp_path / "a disk"
    mount.mkdir()
    table = tmp_path / "fstab"
    written = str(mount).replace(" ", "\\040")
    table.write_text(f"# a comment\nUUID=1 / ext4 x 0 1\nserver:/x {written} nfs x 0 0\n")
    monkeypatch.setattr(sources_gone, "FSTAB", table)
    store = FeatureStore(tmp_path / "cache")
    add(store, "photos", str(mount / "photos"), range(4))
    assert f"{mount} is not mounted" in find_gone(store).unsure.popitem()[1]


def test_what_was_imported_or_bundled_is_not_gone(tmp_path: Path) -> None:
    store = FeatureStore(tmp_path / "cache")
    add(store, "clip", str(tmp_path / "clip.npz"), range(4), engine="imported")
    add(store, "fashion-sample", "the bundled sample", range(4, 8))
    gone = find_gone(store)
    assert not gone.features and not gone.unsure


def test_gc_names_what_goes_and_deletes_on_request_only(cli: Cli, photos: Path) -> None:
    shutil.copytree(photos / "red", "other")
    for source in (photos, "other"):
        assert cli("extract", source, *CHEAP).exit_code == 0
    shutil.rmtree("other")
    dry = cli("cache", "gc", "--sources-gone", "--dry-run")
    assert dry.exit_code == 0 and "Source gone: other-" in dry.stderr
    assert "Would delete the features of 1 sources that are gone" in dry.stdout
    assert cli("cache", "gc", "--sources-gone").exit_code == 1  # nobody to ask
    assert len(json.loads(cli("cache", "ls", "--json").stdout)) == 2
    data = json.loads(cli("cache", "gc", "--sources-gone", "--yes", "--json").stdout)
    assert len(data["sources_gone"]) == 1 and data["n_bytes"] > 0 and not data["dry_run"]
    assert len(json.loads(cli("cache", "ls", "--json").stdout)) == 1
