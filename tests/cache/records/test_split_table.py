"""The table of splits: joined, it says what it said."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from featx.cache import FeatureStore
from featx.cache.records.split_table import SplitTable, join_assignments


def test_joined_files_assign_as_before(tmp_path: Path) -> None:
    layout = FeatureStore(tmp_path).layout
    first, other = SplitTable(layout, 0), SplitTable(layout, 1)
    rng = np.random.default_rng(0)
    for table in (first, first, other, first):
        keys = rng.permutation(60)[:30].astype(np.uint64)
        table.add(keys, rng.integers(0, 3, 30).astype(np.int8))
    for split in (1, 2):
        first.add(np.arange(5 * split, dtype=np.uint64), np.full(5 * split, split), is_import=True)
    keys = np.arange(80, dtype=np.uint64)
    before = [table.find(keys) for table in (first, other)]
    assert (before[0][:10] == 2).all()
    assert join_assignments(layout) == 3 and len(layout.split_paths()) == 3
    assert (np.array([table.find(keys) for table in (first, other)]) == np.array(before)).all()
    first.add(np.array([0], np.uint64), np.array([0], np.int8), is_import=True)
    assert first.find(keys)[0] == 0
    assert join_assignments(layout) == 1 and first.find(keys)[0] == 0
