"""Few rows of large shards behind a URL: their blocks are fetched, and checked as all rows are."""

from __future__ import annotations

import shutil
from pathlib import Path

import fsspec
import numpy as np
import pytest
from cache_shared import batch_of, digests_of, make_spec, rows_of
from s3_shared import SLOW, Fault, Proxy

from featx.cache import FeatureStore, ShardSet
from featx.cache.errors import CacheError, CacheFormatError
from featx.cache.format.container import ROWS, open_container
from featx.cache.shards.shard import KIND

WIDTH, N_ROWS = 50_000, 64  # five rows are a block
ROW_BYTES = 4 * WIDTH


def write(root: str, copies: Path) -> Path:
    """Write one shard and its index; nothing of it stays on this machine."""
    store, spec = FeatureStore(root), make_spec()
    path = store.write_rows(spec, [batch_of(range(N_ROWS), WIDTH)])
    store.index_shards(spec.fingerprint)
    shutil.rmtree(copies)
    return path


def opened(root: str) -> ShardSet:
    return FeatureStore(root).open_set(make_spec(), digests_of([3]))


@pytest.fixture(autouse=True)
def small_shards_count_as_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("featx.cache.shards.set_index.LARGE_BYTES", N_ROWS * ROW_BYTES)


def test_few_rows_fetch_their_blocks_and_many_the_whole_shard(
    bucket: str, proxy: Proxy, copies: Path
) -> None:
    write(bucket, copies)
    shards = opened(bucket)
    proxy.n_bytes = 0
    proxy.faults = [Fault(SLOW, "GET", "/shards/")]
    assert np.array_equal(shards.take(np.array([40, 3])), rows_of([40, 3], WIDTH))
    assert 10 * ROW_BYTES <= proxy.n_bytes < 14 * ROW_BYTES and not proxy.faults[0].times
    n_before = proxy.n_bytes
    assert np.array_equal(shards.take(np.array([41, 42])), rows_of([41, 42], WIDTH))
    assert proxy.n_bytes == n_before
    assert not any(path.stat().st_size > ROW_BYTES for path in copies.iterdir())
    everything = np.arange(N_ROWS)
    assert np.array_equal(shards.take(everything), rows_of(everything.tolist(), WIDTH))
    assert any(path.stat().st_size > N_ROWS * ROW_BYTES for path in copies.iterdir())
    n_before = proxy.n_bytes
    assert np.array_equal(opened(bucket).take(np.array([9])), rows_of([9], WIDTH))
    assert proxy.n_bytes < n_before + ROW_BYTES  # from the copy


def test_a_damaged_row_is_found_in_its_block(copies: Path) -> None:
    files, root = fsspec.filesystem("memory"), "memory://ranges/cache"
    try:
        path = write(root, copies)
        first = open_container(path, KIND).columns[ROWS].offset or 0
        key = str(path).partition(":/")[2]
        content = bytearray(files.cat_file(key))
        content[first + 41 * ROW_BYTES] ^= 1
        files.pipe_file(key, bytes(content))
        shutil.rmtree(copies)
        shards = opened(root)
        assert np.array_equal(shards.take(np.array([3])), rows_of([3], WIDTH))
        with pytest.raises(CacheFormatError, match=r"memory://ranges.*row 41 fail"):
            shards.take(np.array([41]))
        files.rm(key)
        with pytest.raises(CacheError, match="was removed with its rows"):
            opened(root).take(np.array([3]))
    finally:
        files.rm("/ranges", recursive=True)
