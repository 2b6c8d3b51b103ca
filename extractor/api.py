"""Extraction as one call."""

from __future__ import annotations

from pathlib import Path

from ..cache import DEFAULT_ROOT, FeatureStore
from .extract import ExtractReport, extract
from .options import Observer, RunOptions
from .plan import FeatureOptions, make_plan
from .sources import Source, open_source


def extract_features(
    source: str | Path | Source,
    features: FeatureOptions | None = None,
    *,
    cache: str | Path = DEFAULT_ROOT,
    run: RunOptions | None = None,
    observer: Observer | None = None,
) -> ExtractReport:
    """Bring the features of every image of a source into a cache.

    Parameters
    ----------
    source : path or Source
        See ``open_source``: a folder, table, arrays, shards, a URL, or ``sample``.
    features : FeatureOptions, optional
        Backbone, weights, layer, pooling, image size; by default the embedded backbone.
    cache : path
    run : RunOptions, optional
    observer : Observer, optional
        Hears about progress.

    Raises
    ------
    FeatxError
        See ``extract``, ``make_plan`` and ``open_source``; the cache stays whole.
    """
    opened = open_source(source)
    plan = make_plan(features or FeatureOptions())
    return extract(opened, plan, FeatureStore(cache), run, observer)
