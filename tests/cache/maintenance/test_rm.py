"""Removing features, and nothing that others use."""

from __future__ import annotations

import numpy as np
import pytest
from cache_shared import (
    fill,
    make_spec,
    rows_of,
    shards_in,
)

from featx.cache import FeatureStore
from featx.cache.errors import FeaturesNotFoundError
from featx.cache.maintenance.compact import compact
from featx.cache.maintenance.rm import find_removal, remove
from featx.cache.maintenance.verify import verify


def test_rm_deletes_what_no_other_source_uses(store: FeatureStore) -> None:
    fill(store, "others", names=range(16, 30))
    shared = shards_in(store.root)[2]  # rows 16 to 19
    name = next(s.name for s in store.list_features() if s.name.startswith("photos"))
    found = find_removal(store, name)
    assert len(found.shards) == 2
    assert len(found.shared) == len(shards_in(store.root)) - 2
    removed = remove(store, name)
    assert removed.n_bytes == found.n_bytes > 0
    assert shared.exists()
    assert not store.layout.manifest("photos").exists()
    assert not store.layout.quarantine("photos").exists()
    assert [s.record.manifest for s in store.list_features()] == ["others"]
    assert (np.asarray(store.open_features().X) == rows_of(range(16, 30))).all()
    remove(store, "others")
    assert store.list_features() == []
    assert not list((store.root / "sets").iterdir())


def test_rm_keeps_the_snapshot_that_another_set_needs(store: FeatureStore) -> None:
    spec = fill(store, spec=make_spec("second"))
    remove(store, "tiny")
    assert len(store.open_features("second")) == 20
    assert len(store.open_set(make_spec())) == 0
    assert len(store.open_set(spec)) == 20
    with pytest.raises(FeaturesNotFoundError, match="no cached features answer"):
        remove(store, "tiny")


def test_rm_trims_shards_that_other_sources_use(store: FeatureStore) -> None:
    fill(store, "others", names=range(16, 30))
    compact(store)
    X = store.open_features("others").X
    remove(store, "photos")
    assert len(store.open_set(make_spec())) == 14
    assert (np.asarray(X) == rows_of(range(16, 30))).all(), "an open reader keeps its rows"
    assert verify(store).findings == []
