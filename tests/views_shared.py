"""Small caches of images with random views, which the tests of learning from views use."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from cache_shared import make_spec, record_of
from numpy.typing import NDArray

from featx.cache import FeatureBatch, FeatureSpec, FeatureStore, Listing, Manifest, StringColumn
from featx.classifiers.selection.grid import Family

N_FEATURES = 12
SMALL = (Family("centroid", ({},)), Family("ridge", ({"alpha": 100.0},)))


def make_views(
    root: Path,
    n_views: int = 3,
    n: int = 120,
    *,
    ops: str = "crop,flip",
    seed: int = 0,
    backbone: str = "b",
    groups: Sequence[str] | None = None,
    weights: NDArray[np.float64] | None = None,
    lacking: Sequence[int] = (),
) -> FeatureStore:
    """Write ``n`` images of three classes and their views; ``lacking`` have no last view.

    The first feature of a row is the number of its view, the second that of its image.
    """
    digests = np.random.default_rng(0).integers(0, 256, (n, 32), dtype=np.uint8)
    labels = np.arange(n, dtype=np.int64) % 3
    listing = Listing(
        StringColumn.from_strings(f"{i}.png" for i in range(n)),
        labels,
        np.full(n, -1, np.int8),
        None if groups is None else StringColumn.from_strings(groups),
        ("a", "b", "c"),
        weights=weights,
    )
    stamps = np.ones((n, 3), np.int64)
    store = FeatureStore(root)
    store.write_manifest(Manifest("photos", "/photos", listing, digests, stamps, time.time_ns()))
    for view in range(n_views):
        spec = view_spec(view, ops, seed, backbone)
        rng = np.random.default_rng([view, seed, len(backbone)])
        X = rng.normal(size=(n, N_FEATURES)) + 2 * np.eye(N_FEATURES)[labels + 3]
        X[:, 0], X[:, 1] = view, np.arange(n)
        kept = np.setdiff1d(np.arange(n), lacking) if view == n_views - 1 else np.arange(n)
        store.write_rows(spec, [FeatureBatch(digests[kept], X[kept].astype(np.float32))])
        store.write_run(record_of("photos", spec, n))
    if n_views > 1:
        store.write_run(record_of("photos", view_spec(0, ops, seed, backbone), n))
    return store


def view_spec(view: int, ops: str = "crop,flip", seed: int = 0, backbone: str = "b") -> FeatureSpec:
    """Return the spec of a view; 0 is the images themselves."""
    spec = make_spec(backbone)
    return replace(spec, view=view, view_ops=ops, views_seed=seed) if view else spec
