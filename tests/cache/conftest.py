"""A small cache for the tests of the cache."""

from __future__ import annotations

from pathlib import Path

import pytest
from cache_shared import fill

from featx.cache import BadImage, FeatureStore


@pytest.fixture
def store(tmp_path: Path) -> FeatureStore:
    """A cache of one source with 20 images in three shards, and one that cannot be read."""
    store = FeatureStore(tmp_path / "cache")
    fill(store, names=range(20), per_shard=8)
    store.write_quarantine("photos", [BadImage("bad.png", "", "it is empty")])
    return store
