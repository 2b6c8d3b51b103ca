"""Verify reads every byte and changes nothing."""

from __future__ import annotations

import pytest
from cache_shared import (
    hurt_in_every_way,
    snapshot,
)

from featx.cache import FeatureStore
from featx.cache.maintenance.verify import verify


def test_verify_finds_nothing_in_a_whole_cache_and_changes_nothing(store: FeatureStore) -> None:
    before = snapshot(store.root)
    report = verify(store)
    assert report.findings == []
    checked = [data for name, data in before.items() if name != ".gitignore"]
    assert report.n_files == len(checked)
    assert report.n_bytes == sum(map(len, checked))
    assert snapshot(store.root) == before


def test_verify_names_every_file_that_is_not_as_it_was_written(
    store: FeatureStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = hurt_in_every_way(store, monkeypatch)
    report = verify(store)
    assert {f.path.name: f.kind for f in report.findings} == expected
    assert all(finding.path.name in finding.problem for finding in report.findings)
    (rows,) = [f.bad_rows for f in report.findings if f.bad_rows]
    assert rows == (3,)
