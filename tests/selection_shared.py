"""Small sets of features that the tests of selection learn from."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from cache_shared import make_spec

from featx.cache import FeatureBatch, FeatureSet, FeatureStore, StringColumn
from featx.cache.manifest import Listing, Manifest

N_FEATURES = 32
NAMES = "abcdefgh"


def make_features(
    root: Path,
    labels: Sequence[int],
    splits: Sequence[int] | None = None,
    *,
    groups: Sequence[str] | None = None,
    same: Sequence[int] | None = None,
    X: np.ndarray | None = None,
    noise: float = 1.0,
    backbone: str = "b",
) -> FeatureSet:
    """Return Gaussian classes; rows of one number in ``same`` have the bytes of one image."""
    rng, n, y = np.random.default_rng(0), len(labels), np.array(labels, np.int64)
    if X is None:
        X = rng.normal(size=(n, N_FEATURES)) * noise + np.eye(N_FEATURES)[y] * 3
    numbers, first = np.unique(range(n) if same is None else same, return_index=True)
    images = rng.integers(1, 256, (len(numbers), 32), dtype=np.uint8)
    digests = images[np.searchsorted(numbers, range(n) if same is None else same)]
    listing = Listing(
        StringColumn.from_strings(f"{i}.png" for i in range(n)),
        y,
        np.array(splits if splits is not None else [-1] * n, np.int8),
        StringColumn.from_strings(groups) if groups is not None else None,
        tuple(NAMES[: max(2, max(labels) + 1)]),
    )
    manifest = Manifest("m", "here", listing, digests, np.zeros((n, 3), np.int64), 0)
    store, spec = FeatureStore(root), make_spec(backbone)
    store.write_rows(spec, [FeatureBatch(images, np.asarray(X, np.float32)[first])])
    return FeatureSet(manifest, store.open_set(spec))


def three_classes(root: Path, n: int = 200, noise: float = 1.0, backbone: str = "b") -> FeatureSet:
    """Return ``n`` rows of three classes in turn."""
    return make_features(root, np.arange(n) % 3, noise=noise, backbone=backbone)
