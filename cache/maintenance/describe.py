"""Everything that the cache knows of one feature set."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ..features import FeatureSet
from ..layout import size_of
from ..manifest import SPLITS
from ..store import FeatureStore


@dataclass(frozen=True)
class Description:
    """All facts about one feature set, as plain JSON types.

    Attributes
    ----------
    name, fingerprint, location : str
    spec, run : dict
        The fields of the FeatureSpec and of the last RunRecord.
    n_samples, n_rows, n_missing, n_features : int
        Samples in the source, those with features, those without, and the width of a row.
    class_counts, split_counts : dict of str to int
        Samples with features.
    n_bad : int
        Images in quarantine; ``reasons`` counts them by their reason.
    reasons : dict of str to int
    n_shards, n_bytes : int
        Of the whole set, which other sources may share.
    compressions : dict of str to int
        Shards by compression.
    shared_with : list of str
        Other sources with features in the set.
    damaged : list of str
    """

    name: str
    fingerprint: str
    location: str
    spec: dict[str, Any]
    run: dict[str, Any]
    n_samples: int
    n_rows: int
    n_missing: int
    n_features: int
    class_counts: dict[str, int]
    split_counts: dict[str, int]
    n_bad: int
    reasons: dict[str, int]
    n_shards: int
    n_bytes: int
    compressions: dict[str, int]
    shared_with: list[str]
    damaged: list[str]


def describe(store: FeatureStore, name: str | None = None) -> Description:
    """Return all facts about the features that ``name`` names, by default the newest.

    Raises
    ------
    FeaturesNotFoundError, CacheFormatError
        As ``FeatureStore.open_features``.
    """
    stored = store.find(name)
    shards = store.open_set(stored.spec)
    features = FeatureSet(store.snapshot_of(stored), shards)
    fingerprint, source = stored.spec.fingerprint, stored.record.manifest
    bad = store.read_quarantine(source)
    counts = np.bincount(features.y[features.y >= 0], minlength=len(features.class_names))
    paths = store.layout.shard_paths(fingerprint)
    return Description(
        name=stored.name,
        fingerprint=fingerprint,
        location=stored.location,
        spec=json.loads(stored.spec.to_json()),
        run=asdict(stored.record),
        n_samples=len(features.manifest),
        n_rows=len(features),
        n_missing=features.n_missing,
        n_features=shards.n_features if shards.shards else 0,
        class_counts=dict(zip(features.class_names, counts.tolist(), strict=True)),
        split_counts={s: int((features.splits == i).sum()) for i, s in enumerate(SPLITS)},
        n_bad=len(bad),
        reasons=dict(Counter(image.reason for image in bad).most_common()),
        n_shards=len(paths),
        n_bytes=sum(map(size_of, paths)),
        compressions=dict(Counter(shard.compression for shard in shards.shards)),
        shared_with=[p.stem for p in store.layout.run_paths(fingerprint) if p.stem != source],
        damaged=[str(error) for error in features.damaged],
    )
