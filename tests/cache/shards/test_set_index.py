"""The index of a set behind a URL: it saves time, and its lack or age costs nothing else."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import fsspec
import numpy as np
import pytest
from cache_shared import batch_of, digests_of, fill, rows_of

from featx.cache import FeatureStore
from featx.cache.maintenance.verify import verify
from featx.cache.shards.set_index import MOST_FILES, IndexedShard, read_index


@pytest.fixture
def store(copies: Path) -> Iterator[FeatureStore]:
    root = f"memory://{uuid.uuid4().hex}"
    yield FeatureStore(root)
    fsspec.filesystem("memory").rm(root.removeprefix("memory:/"), recursive=True)


def forget_copies(copies: Path) -> None:
    for path in copies.iterdir():
        path.unlink()


def index_files(store: FeatureStore, fingerprint: str) -> list[Path]:
    return sorted(store.layout.indexes(fingerprint).glob("*"))


def test_a_set_is_opened_by_its_index(store: FeatureStore, copies: Path) -> None:
    spec = fill(store, names=range(20), per_shard=5)
    (path,) = index_files(store, spec.fingerprint)
    entries = read_index(path, spec.fingerprint)
    assert sorted(entries) == [p.name for p in store.layout.shard_paths(spec.fingerprint)]
    assert [len(entry.digests) for entry in entries.values()] == [5] * 4
    forget_copies(copies)
    opened = store.open_set(spec, digests_of(range(20)))
    assert all(isinstance(shard, IndexedShard) for shard in opened.shards)
    assert (len(opened), opened.n_features) == (20, 5) and len(list(copies.iterdir())) == 1
    assert np.array_equal(opened.take(np.array([0, 7, 19])), rows_of([0, 7, 19]))
    assert sum(shard.row_bytes for shard in opened.shards) == 20 * 5 * 4
    assert {shard.compression for shard in opened.shards} == {"none"}


def test_shards_that_no_index_names_are_found(store: FeatureStore, copies: Path) -> None:
    spec = fill(store, names=range(8))
    store.write_rows(spec, [batch_of(range(8, 12))])  # by a run that was killed
    assert len(store.open_set(spec, digests_of(range(8)))) == 8
    assert len(store.open_set(spec, digests_of(range(12)))) == 12
    assert len(store.open_set(spec)) == 12


def test_many_files_become_one(store: FeatureStore) -> None:
    for n in range(1, MOST_FILES + 2):
        spec = fill(store, names=range(n))
    assert len(index_files(store, spec.fingerprint)) == 1
    assert len(store.open_set(spec, digests_of(range(n)))) == n
    assert not verify(store).findings


def test_an_old_index_names_shards_that_were_joined(store: FeatureStore, copies: Path) -> None:
    spec = fill(store, names=range(20), per_shard=2)
    opened = store.open_set(spec, digests_of(range(20)))
    store.join_small_shards(spec)
    forget_copies(copies)
    assert np.array_equal(opened.take(np.arange(20)), rows_of(range(20)))
    again = store.open_set(spec, digests_of(range(20)))  # by the index of before
    assert np.array_equal(again.take(np.arange(20)), rows_of(range(20)))
    store.index_shards(spec.fingerprint)
    store.index_shards(spec.fingerprint)
    assert [len(shard) for shard in store.open_set(spec, digests_of(range(20))).shards] == [20]


def test_a_damaged_index_is_found_and_left_out(store: FeatureStore, copies: Path) -> None:
    spec = fill(store, names=range(8))
    (path,) = index_files(store, spec.fingerprint)
    with fsspec.open(str(path), "wb") as file:
        file.write(b"no index")
    forget_copies(copies)
    assert np.array_equal(store.open_features().X[:], rows_of(range(8)))
    assert [finding.path for finding in verify(store).findings] == [path]


def test_folders_of_this_machine_have_no_index(tmp_path: Path) -> None:
    local = FeatureStore(tmp_path / "cache")
    spec = fill(local, names=range(8))
    assert not local.layout.indexes(spec.fingerprint).exists()
