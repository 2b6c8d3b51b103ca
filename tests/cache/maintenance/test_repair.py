"""Repair sets damaged files aside and keeps whole rows."""

from __future__ import annotations

import numpy as np
import pytest
from cache_shared import (
    fill,
    hurt_in_every_way,
    make_spec,
    rows_of,
    snapshot,
)

from featx.cache import FeatureStore
from featx.cache.maintenance.repair import repair
from featx.cache.maintenance.verify import verify


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
