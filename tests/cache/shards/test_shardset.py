from __future__ import annotations

import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import h5py
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
    record_of,
    rows_of,
    shards_in,
)
from hypothesis import given, settings
from hypothesis import strategies as st

import featx.cache.shards.open_files as open_files
import featx.cache.shards.shardset as shardset_module
from featx.cache import COMPRESSIONS, FeatureBatch, FeatureSet, FeatureStore
from featx.cache.errors import CacheError, CacheFormatError, ConfigError
from featx.cache.maintenance.compact import compact
from featx.cache.maintenance.rm import remove


@pytest.mark.parametrize("compression", ["none", *COMPRESSIONS])
def test_every_way_of_reading_gives_the_same_rows(tmp_path: Path, compression: str) -> None:
    store = FeatureStore(tmp_path, compression=compression)
    spec = fill(store, names=range(1000), per_shard=130)
    X, expected = store.open_features().X, rows_of(range(1000))
    assert (np.asarray(X) == expected).all()
    assert (np.concatenate(list(X.blocks(64))) == expected).all()
    places = np.random.default_rng(0).integers(0, 1000, 50)
    assert (X[places] == expected[places]).all()
    assert (X[places] == expected[places]).all()  # and when they have been checked before
    assert (X[-1] == expected[-1]).all()
    assert (X[np.arange(1000) % 3 == 0] == expected[::3]).all()
    assert (X[::7] == expected[::7]).all()
    assert X[5:5].shape == (0, 5)
    assert {shard.compression for shard in store.open_set(spec).shards} == {compression}


@given(st.lists(st.integers(0, 59), max_size=80))
@settings(deadline=None, max_examples=60)
def test_take_agrees_with_an_array(
    tmp_path_factory: pytest.TempPathFactory, rows: list[int]
) -> None:
    store = FeatureStore(tmp_path_factory.mktemp("cache"))
    spec = fill(store, names=range(60), per_shard=16)
    positions = np.array(rows, np.int64)
    assert (store.open_set(spec).take(positions) == rows_of(range(60))[positions]).all()


def test_blocks_end_early_and_nothing_hangs(tmp_path: Path) -> None:
    store = FeatureStore(tmp_path)
    fill(store, names=range(100), per_shard=100)
    blocks = store.open_features().X.blocks(10)
    assert (next(blocks) == rows_of(range(10))).all()
    blocks.close()  # type: ignore[attr-defined]


def test_rows_of_equal_images_are_served_once_from_the_first(tmp_path: Path) -> None:
    store, spec = FeatureStore(tmp_path), make_spec()
    for _ in range(3):
        store.write_rows(spec, [batch_of(range(10))])
    store.write_manifest(manifest_of("photos", range(10)))
    features = FeatureSet(manifest_of("photos", range(10)), store.open_set(spec))
    assert len(features) == 10
    assert (np.asarray(features.X) == rows_of(range(10))).all()
    assert (store.open_set(spec).index.find(digests_of(range(10))) < 10).all()


@pytest.mark.parametrize("compression", ["none", "gzip", "blosc-zstd"])
def test_a_flipped_byte_in_a_row_is_an_error_that_names_file_and_row(
    tmp_path: Path, compression: str
) -> None:
    store = FeatureStore(tmp_path, compression=compression)
    fill(store, names=range(20), per_shard=20)
    (path,) = shards_in(tmp_path)
    if compression == "none":
        flip(path, offset_of_rows(path) + 7 * 20 + 3)
    else:
        with h5py.File(path, "r") as file:
            flip(path, file["X"].id.get_chunk_info(0).byte_offset + 20)
    X = store.open_features().X
    for read in (lambda: X[:], lambda: X[np.array([9, 7, 2])], lambda: list(X.blocks())):
        with pytest.raises(CacheFormatError, match=path.name) as caught:
            read()
        assert "row" in str(caught.value)
    if compression == "none":
        assert "row 7 fail" in str(caught.value)
        assert (X[np.array([9, 6, 2])] == rows_of([9, 6, 2])).all()


def test_rows_of_a_damaged_shard_count_as_missing(tmp_path: Path) -> None:
    store = FeatureStore(tmp_path)
    fill(store, names=range(20), per_shard=8)
    hurt = shards_in(tmp_path)[1]
    hurt.write_bytes(hurt.read_bytes()[:100])
    features = store.open_features()
    assert features.n_missing == 8
    (error,) = features.damaged
    assert hurt.name in str(error)
    assert "featx cache repair" in str(error)
    expected = [*range(8), *range(16, 20)]
    assert (np.asarray(features.X) == rows_of(expected)).all()
    assert list(features.sample_ids) == [f"image-{i}.png" for i in expected]
    assert features.y.tolist() == [i % 2 for i in expected]


def test_a_reader_keeps_what_it_has_open(tmp_path: Path) -> None:
    for compression in ("none", "gzip"):
        store = FeatureStore(tmp_path / compression, compression=compression)
        fill(store, names=range(100), per_shard=10)
        X = store.open_features().X
        report = compact(store)
        assert (report.n_before, report.n_after) == (10, 1)
        assert (np.asarray(X) == rows_of(range(100))).all()


@pytest.fixture
def few_open_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """Behave as under a limit that leaves room for three shards."""
    monkeypatch.setattr(open_files, "MOST_SHARDS", 3)


@pytest.mark.usefixtures("few_open_files")
@pytest.mark.parametrize("compression", ["none", "gzip"])
def test_rows_of_a_shard_that_was_joined_are_read_from_the_joined_one(
    tmp_path: Path, compression: str
) -> None:
    store = FeatureStore(tmp_path, compression=compression)
    fill(store, names=range(100), per_shard=10)
    X = store.open_features().X
    assert (X[:50] == rows_of(range(50))).all()
    blocks = X.blocks(25)
    first = next(blocks)
    compact(store)
    assert (np.concatenate([first, *blocks]) == rows_of(range(100))).all()
    for i in range(20):
        store.write_rows(make_spec(), [batch_of([200 + i])])
    compact(store, "zstd")
    rows = np.random.default_rng(0).integers(0, 100, 40)
    assert (X[rows] == rows_of(range(100))[rows]).all()


@pytest.mark.usefixtures("few_open_files")
def test_rows_that_are_deleted_while_they_are_in_use_are_an_error(tmp_path: Path) -> None:
    store = FeatureStore(tmp_path)
    fill(store, names=range(100), per_shard=10)
    X = store.open_features().X
    remove(store, "photos")
    with pytest.raises(CacheError, match="run the command again"):
        X[90:]


@pytest.mark.usefixtures("few_open_files")
def test_threads_that_read_more_shards_than_may_be_open_get_their_rows(tmp_path: Path) -> None:
    store = FeatureStore(tmp_path)
    fill(store, names=range(200), per_shard=5)
    X, expected = store.open_features().X, rows_of(range(200))
    with ThreadPoolExecutor(8) as executor:
        orders = [np.random.default_rng(i).permutation(200)[:60] for i in range(40)]
        for rows, values in zip(orders, executor.map(X.__getitem__, orders), strict=True):
            assert (values == expected[rows]).all()


def test_a_shard_that_goes_while_the_set_is_opened_is_found_in_its_new_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = FeatureStore(tmp_path)
    spec = fill(store, names=range(20), per_shard=5)
    real = shardset_module.Shard
    n_opened = 0

    def slow(*words: object) -> object:
        nonlocal n_opened
        n_opened += 1
        if n_opened == 3:
            compact(store)
        return real(*words)  # type: ignore[arg-type]

    monkeypatch.setattr(shardset_module, "Shard", slow)
    shards = store.open_set(spec)
    assert len(shards) == 20
    assert not shards.damaged


def test_float16_halves_the_bytes_and_refuses_what_does_not_fit(tmp_path: Path) -> None:
    sizes = {}
    for storage in ("float32", "float16"):
        spec = make_spec(storage=storage)
        store = FeatureStore(tmp_path / storage)
        X = np.random.default_rng(0).standard_normal((500, 640)).astype(np.float32)
        path = store.write_rows(spec, [FeatureBatch(digests_of(range(500)), X)])
        sizes[storage] = path.stat().st_size
        back = store.open_set(spec).take(np.arange(500))
        assert (back == X.astype(storage)).all()
    assert sizes["float16"] < 0.53 * sizes["float32"]
    with pytest.raises(ConfigError, match="70000 does not fit float16"):
        store.write_rows(spec, [FeatureBatch(digests_of([1]), np.full((1, 640), -7e4))])
    assert len(shards_in(tmp_path / "float16")) == 1


def test_reading_compressed_rows_without_hdf5plugin_names_the_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = fill(FeatureStore(tmp_path, compression="zstd"), names=range(5))
    monkeypatch.setitem(sys.modules, "hdf5plugin", None)
    monkeypatch.setattr(h5py.h5z, "filter_avail", lambda code: code < 1000)
    with pytest.raises(ConfigError, match=r"pip install \"featx\[compression\]\""):
        FeatureStore(tmp_path).open_set(spec)


def test_an_unknown_compression_is_refused_with_a_suggestion() -> None:
    with pytest.raises(ConfigError, match="Did you mean blosc-zstd"):
        FeatureStore("nowhere", compression="blosc_zstd")


def test_names_of_shards_sort_by_time(tmp_path: Path) -> None:
    store, spec = FeatureStore(tmp_path), make_spec()
    paths = []
    for i in range(5):
        paths.append(store.write_rows(spec, [batch_of([i])]))
        time.sleep(0.002)
    assert paths == sorted(paths)
    assert store.list_features() == []
    store.write_run(record_of("photos", spec, 5))
    assert store.list_features()[0].location == "(snapshot missing)"
