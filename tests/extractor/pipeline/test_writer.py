"""Rows on their way to the disk: few shards at the end, errors where the rows come from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from featx import FeatureStore, RunOptions
from featx.cache import FeatureBatch
from featx.cache.errors import CacheWriteError
from featx.extractor.pipeline import writer
from featx.extractor.pipeline.scan import scan_source
from featx.extractor.pipeline.stream import FeatureStream
from featx.extractor.pipeline.writer import ShardWriter
from featx.extractor.plan import FeatureOptions, make_plan
from featx.extractor.sources import open_source

PLAN = make_plan(
    FeatureOptions(backbone="mobilenet", weights="random:0", image_size=32, precision="float32")
)


def digests_of(numbers: range) -> NDArray[np.uint8]:
    rows = [np.random.default_rng(n).integers(1, 256, 32, np.uint8) for n in numbers]
    return np.stack(rows)


@pytest.fixture
def store(tmp_path: Path) -> FeatureStore:
    return FeatureStore(tmp_path / "cache")


@pytest.fixture
def rows(photos: Path, store: FeatureStore, monkeypatch: pytest.MonkeyPatch) -> ShardWriter:
    """A writer that writes a shard for each two rows."""
    monkeypatch.setattr(writer, "UNSAVED_BYTES", 0)
    monkeypatch.setattr(writer, "ON_THEIR_WAY", 2)
    scan = scan_source(open_source(photos))
    run = scan.begin_run("extract", store, PLAN.specs)
    return ShardWriter(store, run, FeatureStream(scan, [PLAN], store, RunOptions()))


def put(rows: ShardWriter, number: int) -> None:
    digest = digests_of(range(number, number + 1))
    rows.put([(0, FeatureBatch(digest, np.full((1, 3), number, np.float32)))])


def n_shards(store: FeatureStore) -> int:
    return len(store.layout.shard_paths(PLAN.spec.fingerprint))


def test_small_shards_are_joined_when_a_run_ends(store: FeatureStore, rows: ShardWriter) -> None:
    with rows.saving():
        for number in range(60):
            put(rows, number)
        rows.flush()
        assert n_shards(store) == 30
    assert n_shards(store) <= 2 and rows.n_written == [60] and not rows.warnings
    shards = store.open_set(PLAN.spec)
    X = shards.take(shards.index.find(digests_of(range(60))))
    assert X[:, 0].tolist() == list(range(60))


def test_rows_do_not_wait_for_ever(
    store: FeatureStore, rows: ShardWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "UNSAVED_BYTES", 1 << 30)
    with rows.saving():
        put(rows, 0)
        rows.flush()
        put(rows, 1)
        assert n_shards(store) == 1
        monkeypatch.setattr(writer, "UNSAVED_SECONDS", 0.0)
        put(rows, 2)
        rows.flush()
        assert n_shards(store) == 2 and rows.n_written == [3]


def test_a_write_that_fails_is_an_error_of_who_hands_rows_over(
    store: FeatureStore, rows: ShardWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise CacheWriteError("no space left")

    handed = 0
    with pytest.raises(CacheWriteError, match="no space"), rows.saving():
        for handed in range(100):
            if handed == 10:
                rows.flush()
                monkeypatch.setattr(FeatureStore, "write_rows", refuse)
            put(rows, handed)
    assert handed < 20 and rows.n_written == [10]
    assert len(store.open_set(PLAN.spec)) == 10
