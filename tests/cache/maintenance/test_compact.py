"""Compacting joins shards and loses no row."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from cache_shared import (
    batch_of,
    fill,
    flip,
    make_spec,
    manifest_of,
    offset_of_rows,
    rows_of,
    shards_in,
)

from featx.cache import FeatureStore
from featx.cache.maintenance.compact import compact
from featx.cache.maintenance.gc import collect_garbage
from featx.cache.maintenance.verify import verify


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
