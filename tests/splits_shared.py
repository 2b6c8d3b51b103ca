"""Features in a cache that keeps splits, for the tests of splits."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from cache_shared import make_spec

from featx.cache import FeatureBatch, FeatureSet, FeatureStore, StringColumn
from featx.cache.manifest import Listing, Manifest
from featx.classifiers.selection.splitting.splits import split_features

RNG = np.random.default_rng(5)
IMAGES = RNG.integers(1, 256, (900, 32), dtype=np.uint8)


def features_of(
    root: Path,
    images: Sequence[int],
    labels: Sequence[int],
    *,
    names: Sequence[str] = "abc",
    source: str = "m",
    given: Sequence[int] | None = None,
    groups: Sequence[str] | None = None,
) -> FeatureSet:
    """Return features of some of ``IMAGES``, in a cache that keeps splits."""
    n = len(images)
    listing = Listing(
        StringColumn.from_strings(f"{source}/{row}-{i}.png" for row, i in enumerate(images)),
        np.array(labels, np.int64),
        np.array(given if given is not None else [-1] * n, np.int8),
        StringColumn.from_strings(groups) if groups is not None else None,
        tuple(names),
    )
    digests = IMAGES[list(images)]
    manifest = Manifest(source, "here", listing, digests, np.zeros((n, 3), np.int64), 0)
    store, spec = FeatureStore(root), make_spec("b")
    if not store.layout.shard_paths(spec.fingerprint):
        store.write_rows(spec, [FeatureBatch(IMAGES, np.zeros((len(IMAGES), 4), np.float32))])
    return FeatureSet(manifest, store.open_set(spec), store.layout)


def sides(features: FeatureSet, seed: int = 0) -> dict[bytes, str]:
    """Return the split of each image."""
    parts = split_features(features, seed).parts()
    return {bytes(features.digests[row]): name for name, rows in parts.items() for row in rows}
