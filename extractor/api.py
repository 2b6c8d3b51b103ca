"""Extraction as one call."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..cache import DEFAULT_ROOT, FeatureStore
from ..cache.errors import ConfigError
from ..cache.suggest import did_you_mean
from .extract import extract
from .extract_report import ExtractReport
from .join import join_parts
from .plan import FeatureOptions, make_plan
from .run_options import LogObserver, Observer, RunOptions
from .sources import Source, open_source
from .sources.address import SourceAddress, address_of
from .views.views import ITSELF, Views
from .workers.extraction import extract_by_workers
from .workers.share import is_shared

if TYPE_CHECKING:
    from .forecast import Forecast


def extract_features(
    source: str | Path | Source,
    features: FeatureOptions | None = None,
    *,
    views: Views = ITSELF,
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
    views : Views
        Random views of each image that are extracted beside it, for heads to learn from.
    cache : path
    run : RunOptions, optional
    observer : Observer, optional
        Hears about progress; by default a notebook shows a bar, and notes go to ``logging``.

    Returns
    -------
    ExtractReport
        Name of the features, counts, unreadable images with their reasons, and warnings; of the
        images themselves.

    Raises
    ------
    FeatxError
        See ``extract``, ``make_plan`` and ``open_source``; the cache stays whole.
    """
    chosen = options_of_views(views, features or FeatureOptions())
    return extract_several(source, chosen, cache=cache, run=run, observer=observer)[0]


def extract_several(
    source: str | Path | Source | SourceAddress,
    features: Sequence[FeatureOptions],
    *,
    cache: str | Path = DEFAULT_ROOT,
    run: RunOptions | None = None,
    observer: Observer | None = None,
    join: bool = False,
) -> list[ExtractReport]:
    """Bring several kinds of features of a source into a cache; each image is decoded once.

    Layers of one backbone come from one forward pass. Returns one report for each of ``features``
    that differs from the others, in order; the first one's features count as the newest. With
    ``join`` nothing is computed: the parts that ``run.part`` made become one (see ``join_parts``).
    With ``run.shared_by`` several workers compute, which open the source themselves.

    Raises
    ------
    FeatxError
        See ``extract``, ``make_plan`` and ``open_source``; the cache stays whole.
    """
    run, observer = run or RunOptions(), observer or LogObserver()
    if is_shared(run.shared_by, observer):
        return extract_by_workers(address_of(source), features, cache, run, observer)
    opened = source.open() if isinstance(source, SourceAddress) else open_source(source)
    plans = [make_plan(options) for options in features]
    store = FeatureStore(cache, compression=run.compression)
    return (join_parts if join else extract)(opened, plans, store, run, observer)


def options_of_preset(preset: str, options: FeatureOptions) -> list[FeatureOptions]:
    """Return options for each layer that a preset takes of a backbone, the last layer first.

    ``multi`` takes the last layer, pooled as the backbone has it, and the ends of its last three
    stages, pooled ``grid:2``; ``extract_several`` computes them in one forward pass.

    Parameters
    ----------
    preset : str
        ``multi``.
    options : FeatureOptions
        Backbone, weights, size; no layer and no pooling.

    Raises
    ------
    ConfigError
        No such preset, or a layer or a pooling is named beside it.
    UnknownBackboneError
        The stages of the backbone cannot be told.
    """
    from .backbones.presets.multi import INNER_POOL, PRESETS, inner_layers

    if preset not in PRESETS:
        raise ConfigError(f"unknown preset {preset!r}. {did_you_mean(preset, PRESETS)}")
    if options.layer is not None or options.pool is not None:
        raise ConfigError(
            f"the preset {preset} names layers and their pooling itself: leave layer and pool away"
        )
    plan = make_plan(options)
    inner = inner_layers(plan.record, plan.spec.image_size)
    return [options, *(replace(options, layer=name, pool=INNER_POOL) for name in inner)]


def options_of_views(views: Views, options: FeatureOptions) -> list[FeatureOptions]:
    """Return options for an image itself and for random views of it; it is decoded once for all."""
    drawn = (
        replace(options, view=number, view_ops=views.ops, views_seed=views.seed)
        for number in range(1, views.n)
    )
    return [options, *drawn]


def forecast_extraction(
    source: str | Path | Source,
    features: Sequence[FeatureOptions],
    *,
    cache: str | Path = DEFAULT_ROOT,
    run: RunOptions | None = None,
    observer: Observer | None = None,
) -> Forecast:
    """Say what ``extract_several`` would do and about how long it would take; write no features.

    Raises
    ------
    FeatxError
        See ``forecast``, ``make_plan`` and ``open_source``.
    """
    from .forecast import forecast

    plans = [make_plan(options) for options in features]
    return forecast(open_source(source), plans, FeatureStore(cache), run, observer)
