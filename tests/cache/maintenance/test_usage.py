"""How much a cache holds: what several sources share counts once."""

from __future__ import annotations

from pathlib import Path

from cache_shared import fill, make_spec

from featx.cache import FeatureStore
from featx.cache.layout import size_of
from featx.cache.maintenance.usage import measure_usage, sources_of_sets


def test_shared_and_unused_sets_are_told(tmp_path: Path) -> None:
    store = FeatureStore(tmp_path / "cache")
    shared = fill(store, name="one")
    fill(store, name="two", names=range(10, 30))
    alone = fill(store, name="one", spec=make_spec("other"))
    unused = fill(store, name="three", spec=make_spec("unused"))
    store.layout.run(unused.fingerprint, "three").unlink()
    stored = store.list_features()
    assert sources_of_sets(stored) == {shared.fingerprint: 2, alone.fingerprint: 1}
    sizes = {
        spec: sum(map(size_of, store.layout.shard_paths(spec.fingerprint)))
        for spec in (shared, alone, unused)
    }
    usage = measure_usage(store, stored)
    assert usage.n_bytes == sum(sizes.values()) and usage.n_sets == 3
    assert usage.n_shared_bytes == sizes[shared] and usage.n_unused_bytes == sizes[unused]
    everything = sum(path.stat().st_size for path in store.root.rglob("*") if path.is_file())
    assert usage.n_bytes + usage.n_other_bytes == everything
