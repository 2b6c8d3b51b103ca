"""Paths behind URLs: an S3 server on loopback, and what networks do to it."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import time
from pathlib import Path

import fsspec
import numpy as np
import pytest
from cache_shared import digests_of, fill, make_spec, rows_of
from s3_shared import HALF, HANG, LOST, SLOW, Fault, Proxy

from featx.cache import FeatureStore
from featx.cache.errors import CacheError, CacheWriteError
from featx.cache.maintenance.compact import compact
from featx.cache.maintenance.gc import collect_garbage
from featx.cache.maintenance.rm import remove
from featx.cache.maintenance.verify import verify
from featx.cache.places.remote_path import RemotePath, cache_path

SHARDS = r"/shards/[0-9a-f]+\.h5"


def put(url: str, content: bytes) -> None:
    with fsspec.open(url, "wb") as file:
        file.write(content)


def names_below(url: str) -> list[str]:
    files = fsspec.filesystem("s3", use_listings_cache=False).find(url)
    return sorted(name.partition("/")[2] for name in files)


@pytest.mark.parametrize(
    ("location", "expected"),
    [
        ("s3://b/p", "s3://b/p"),
        (Path("s3://b/p"), "s3://b/p"),
        ("memory://x/y/", "memory://x/y"),
        ("folder", "folder"),
        ("./a:/b", "a:/b"),
        ("file:///tmp/a%20b", "/tmp/a b"),
    ],
)
def test_a_url_becomes_a_remote_path_also_where_it_came_as_a_path(
    location: str | Path, expected: str
) -> None:
    path = cache_path(location)
    assert str(path) == expected and isinstance(path, RemotePath) == ("://" in expected)
    assert cache_path(path) == path and pickle.loads(pickle.dumps(path)) == path


def test_parts_of_a_remote_path() -> None:
    root = RemotePath("s3://bucket/cache")
    path = root / "sets" / "abc" / "shards" / "1.h5"
    assert str(path) == "s3://bucket/cache/sets/abc/shards/1.h5" and path.is_immutable
    assert path.relative_to(root).parts == ("sets", "abc", "shards", "1.h5")
    assert isinstance(path.parent, RemotePath) and path.parent.name == "shards"
    assert path.stem == "1" and path.suffix == ".h5" and path in {path: 1}
    assert str(path.with_name("2.h5")) == "s3://bucket/cache/sets/abc/shards/2.h5"
    assert not (root / "manifests" / "photos.h5").is_immutable


@pytest.mark.long
def test_a_bucket_is_listed_without_the_options_of_pathlib() -> None:
    path = cache_path("memory://somewhere")
    for listing in (path.glob, path.rglob):
        with pytest.raises(TypeError, match="got case_sensitive"):
            list(listing("*", case_sensitive=True))


def test_a_cache_in_a_bucket_is_written_read_and_looked_after(bucket: str, proxy: Proxy) -> None:
    store = FeatureStore(f"{bucket}/deep/cache")
    assert store.is_new and not store.list_features()
    spec = fill(store, names=range(18), per_shard=2)
    assert all(name.startswith("deep/cache/") for name in names_below(bucket))
    opened = FeatureStore(f"{bucket}/deep/cache").open_features()
    assert np.array_equal(opened.X[:], rows_of(range(18)))
    assert store.join_small_shards(spec) == ""
    assert len(store.layout.shard_paths(spec.fingerprint)) == 1
    # What was opened before reads on from the joined shard.
    assert np.array_equal(opened.X[:], rows_of(range(18)))
    fill(store, names=range(20))
    assert compact(store).n_after == 1
    report = verify(store)
    assert not report.findings and report.n_files == len(names_below(bucket))
    fill(store, "few", names=range(3))
    remove(store, "photos")
    assert len(store.open_set(spec)) == 3
    remove(store, "few")
    collect_garbage(store)
    assert names_below(bucket) == []


def test_opening_lists_no_shards_and_reading_fetches_only_what_is_read(
    bucket: str, proxy: Proxy, copies: Path
) -> None:
    store = FeatureStore(bucket)
    fill(store, names=range(12), per_shard=2)
    for path in copies.iterdir():
        path.unlink()
    proxy.requests.clear()
    opened = FeatureStore(bucket).open_features()
    assert np.array_equal(opened.X[[0]], rows_of([0]))
    assert proxy.count("GET", SHARDS) == 1
    assert proxy.count("GET", "prefix=[^&]*shards") == 0
    assert len(proxy.requests) < 25


@pytest.mark.long
def test_copies_stay_within_their_bound(
    bucket: str, copies: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(FeatureStore(bucket), names=range(40), per_shard=4)
    monkeypatch.setenv("FEATX_COPIES_SIZE", "20KB")
    X = FeatureStore(bucket).open_features().X
    for _ in range(2):
        assert np.array_equal(X[:], rows_of(range(40)))
        assert sum(path.stat().st_size for path in copies.iterdir()) < 40_000


@pytest.mark.long
def test_another_machine_sees_what_was_replaced(bucket: str, copies: Path) -> None:
    store = FeatureStore(bucket)
    fill(store, names=range(4))
    assert len(store.read_manifest("photos") or ()) == 4
    fill(store, names=range(6))
    assert len(store.read_manifest("photos") or ()) == 6


@pytest.mark.parametrize(
    "kind", [HALF, *(pytest.param(kind, marks=pytest.mark.long) for kind in (SLOW, LOST, HANG))]
)
def test_uploads_go_on_after_what_networks_do(bucket: str, proxy: Proxy, kind: str) -> None:
    proxy.faults = [Fault(kind, "PUT", SHARDS), Fault(kind, "PUT", "manifests/")]
    store = FeatureStore(bucket)
    spec = fill(store, names=range(8))
    assert not any(fault.times for fault in proxy.faults)
    assert len(store.layout.shard_paths(spec.fingerprint)) == 1
    opened = store.open_features()
    assert np.array_equal(opened.X[:], rows_of(range(8))) and not verify(store).findings


def test_a_write_that_keeps_failing_is_named_and_leaves_nothing(
    bucket: str, proxy: Proxy, monkeypatch: pytest.MonkeyPatch, copies: Path
) -> None:
    monkeypatch.setenv("FEATX_URL_ATTEMPTS", "2")
    proxy.faults = [Fault(HALF, "PUT", SHARDS, times=9)]
    store = FeatureStore(bucket)
    with pytest.raises(CacheWriteError, match=r"cannot write s3://.*shards/.*tried 2 times"):
        fill(store, names=range(8))
    assert proxy.count("PUT", SHARDS) <= 4  # aiohttp tries an idempotent request twice
    assert not any("shards" in name for name in names_below(bucket))
    assert not any(path.name.endswith(".partial") for path in copies.iterdir())
    proxy.faults = []
    fill(store, names=range(8))
    assert np.array_equal(store.open_features().X[:], rows_of(range(8)))


@pytest.mark.long
def test_reads_go_on_after_what_networks_do(bucket: str, proxy: Proxy, copies: Path) -> None:
    fill(FeatureStore(bucket), names=range(8))
    for path in copies.iterdir():
        path.unlink()
    proxy.faults = [Fault(kind, "GET", SHARDS) for kind in (SLOW, LOST)]
    assert np.array_equal(FeatureStore(bucket).open_features().X[:], rows_of(range(8)))
    assert not any(fault.times for fault in proxy.faults)


def test_nobody_replaces_a_shard_that_has_its_name(bucket: str) -> None:
    path = cache_path(f"{bucket}/sets/a/shards/1.h5")
    assert isinstance(path, RemotePath)
    with path.uploaded() as partial:
        partial.write_bytes(b"first")
    with pytest.raises(OSError, match="5 bytes arrived of 6"), path.uploaded() as partial:
        partial.write_bytes(b"second")
    path.drop_copy()
    assert path.read_bytes() == b"first"


@pytest.mark.long
def test_damage_behind_a_url_is_found_although_a_copy_is_whole(bucket: str) -> None:
    store = FeatureStore(bucket)
    spec = fill(store, names=range(8))
    path = store.layout.shard_paths(spec.fingerprint)[0]
    content = bytearray(path.read_bytes())
    content[-30] ^= 255
    put(str(path), bytes(content))
    assert [finding.kind for finding in verify(store).findings] == ["damaged"]


def test_deleting_beside_a_run_is_refused(bucket: str) -> None:
    store = FeatureStore(bucket)
    spec = fill(store, names=range(8))
    run = store.begin_run("extract", "other", "/photos", [spec])
    run.name_rows(digests_of(range(8, 12)))
    for action in (collect_garbage, lambda opened: remove(opened, "photos")):
        with pytest.raises(CacheError, match="runs over other have named rows"):
            action(store)
    assert len(store.open_set(spec)) == 8


KILLED = """
import os, signal, sys
sys.path[:0] = ["tests", "tests/cache"]
from cache_shared import batch_of, digests_of, make_spec
from featx.cache import FeatureStore

store, spec = FeatureStore(sys.argv[1]), make_spec()
run = store.begin_run("extract", "photos", "/photos", [spec])
for start in range(0, 1000, 4):
    names = range(start, start + 4)
    run.name_rows(digests_of(names))
    store.write_rows(spec, [batch_of(names)])
    print(start, flush=True)
"""


def test_a_killed_uploader_leaves_whole_shards_and_the_next_run_goes_on(
    bucket: str, proxy: Proxy
) -> None:
    """It is killed while the server waits for the rest of an upload."""
    with subprocess.Popen(
        [sys.executable, "-c", KILLED, bucket], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        for _ in range(3):
            process.stdout.readline()
        proxy.faults = [Fault(HANG, "PUT", SHARDS, times=99)]
        while proxy.faults[0].times == 99:
            time.sleep(0.05)
        os.kill(process.pid, signal.SIGKILL)
    proxy.faults = []
    store, spec = FeatureStore(bucket), make_spec()
    assert not verify(store).findings
    n_saved = len(store.open_set(spec))
    assert n_saved >= 12 and n_saved % 4 == 0
    fill(store, names=range(40))
    assert len(store.open_set(spec)) == 40
    assert np.array_equal(store.open_features().X[:], rows_of(range(40)))


def test_other_file_systems_of_fsspec_serve_as_well(copies: Path) -> None:
    store = FeatureStore("memory://a/cache")
    try:
        fill(store, names=range(20))
        fill(store, names=range(24))
        assert np.array_equal(store.open_features().X[:], rows_of(range(24)))
        assert not verify(store).findings
    finally:
        fsspec.filesystem("memory").rm("/a", recursive=True)
