"""Merging takes over what another cache holds."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from cache_shared import (
    fill,
    flip,
    offset_of_rows,
    rows_of,
    shards_in,
    snapshot,
)

import featx.cache.exchange.merge as merge_module
from featx.cache import FeatureStore
from featx.cache.errors import FeaturesNotFoundError
from featx.cache.exchange.merge import merge
from featx.cache.maintenance.verify import verify


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
