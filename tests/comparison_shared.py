"""Features of real pictures, made without a network's library."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
from cache_shared import make_spec, record_of

from featx.cache import FeatureBatch, FeatureSpec, FeatureStore, Manifest
from featx.extractor.images.decode import decode
from featx.extractor.images.geometry import Geometry
from featx.extractor.sources import digest_of, open_source


def extract_pixels(cache: Path, source: str | Path, side: int = 8) -> FeatureSpec:
    """Do what an extraction does to a cache; the features are the pixels of small images."""
    opened, store = open_source(source), FeatureStore(cache)
    spec = make_spec("pixels", image_size=(side, side))
    raw = [opened.read(index) for index in range(len(opened.listing()))]
    digests = np.stack([np.frombuffer(digest_of(image), np.uint8) for image in raw])
    images = np.stack([decode(image, [Geometry(side, side)])[0] for image in raw])
    X = images.reshape(len(raw), -1).astype(np.float32) / 255
    _, first = np.unique(digests, axis=0, return_index=True)
    store.write_rows(spec, [FeatureBatch(digests[first], X[first])])
    listing, stamps = opened.listing(), opened.stamps()
    name, location = opened.name, opened.location
    store.write_manifest(Manifest(name, location, listing, digests, stamps, time.time_ns()))
    store.write_run(record_of(name, spec, len(raw)))
    return spec
