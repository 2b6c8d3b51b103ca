"""Fine-tuning as one call: a layer's outputs into the cache, training, one model file."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from ...cache import DEFAULT_ROOT, FeatureSet, FeatureSpec, FeatureStore, Tag
from ...cache.errors import ConfigError, FeaturesNotFoundError, SourceNotFoundError
from ...cache.records.run_record import TUNING
from ...cache.results.result import FIT
from ...extractor.backbones import IMAGENET
from ...extractor.backbones.tuned import TailWeights
from ...extractor.extract import extract
from ...extractor.feature_plans import FeaturePlans
from ...extractor.plan import Plan, plan_for
from ...extractor.run_options import LogObserver, Observer, RunOptions
from ...extractor.sources import Source, open_source, typed_location
from ...extractor.views.views import ITSELF, Views
from ..models.model_file import model_output
from ..selection.fit import FitReport
from ..selection.replaced import save_and_compare
from ..selection.results import keep_fit
from .fit import Frozen, fit_tail
from .head import FinetunedHead
from .tail import cut_tail

STORED = "float16"
BYTES_PER_VALUE = 2


@dataclass(frozen=True, kw_only=True)
class FinetuneOptions:
    """How the last layers of a backbone are trained.

    Attributes
    ----------
    params : mapping
        Parameters of ``FinetunedHead`` beside the layer: epochs, lr, class_weight …
    weights : str
        Where this machine has the backbone's weights: ``imagenet``, ``random:SEED`` or a path.
    source : path or Source, optional
        Where the images are now; by default where they were when their features were extracted.
    memory : int, optional
        Bytes that the cached outputs may take, else three quarters of what is free; what is larger
        is read batch by batch.
    views : Views
        An epoch learns from one of these views of each training image, drawn anew. Their outputs
        are cached as well.
    keep_state : bool
        Leave the state of training beside the model, as ``<out>.epochs``, so that a call with the
        same ``out`` and more epochs goes on from it.
    run : RunOptions
        How the outputs are extracted.
    """

    params: Mapping[str, Any] = field(default_factory=dict)
    weights: str = IMAGENET
    source: str | Path | Source | None = None
    memory: int | None = None
    views: Views = ITSELF
    keep_state: bool = False
    run: RunOptions = field(default_factory=RunOptions)


def run_finetune(
    layer: str,
    features: str | None = None,
    options: FinetuneOptions | None = None,
    *,
    cache: str | Path = DEFAULT_ROOT,
    out: str | Path = "finetuned.featx",
    overwrite: bool = False,
    observer: Observer | None = None,
    command: str = "",
    tag: Tag | None = None,
) -> FitReport:
    """Train the layers of a backbone after ``layer``, and a head, and write one model file.

    The frozen part runs once: its output is kept in the cache, in float16. Training starts from
    logistic regression on the features, and keeps the best epoch on rows that it holds out of the
    training rows.

    Parameters
    ----------
    layer : str
        All data must go through it.
    features : str, optional
        A name of extracted features, which say backbone, size and pooling; by default the newest.
    options : FinetuneOptions, optional
    cache, out : path
    overwrite : bool
        Replace any file at ``out``; otherwise only a model that shares a class.
    observer : Observer, optional
    command : str
        Kept in the model as its origin.
    tag : Tag, optional
        What the user calls the model.

    Raises
    ------
    ConfigError, UnknownBackboneError
        The backbone cannot be cut after ``layer``, or a parameter may not stand.
    FeaturesNotFoundError, SourceError
        There are no such features, or their images are gone or others.
    TrainingDataError, CacheWriteError
        No model is written.
    """
    options, observer = options or FinetuneOptions(), observer or LogObserver()
    head = FinetunedHead(layer, **options.params)
    head.check()
    store = FeatureStore(cache)
    base = _with_views(store.open_features(features), store, options.views)
    spec = base.spec.single
    plan = plan_for(spec, options.weights, TailWeights.recall(spec, store.layout))
    _check_weights(spec, plan)
    tail = cut_tail(plan, layer)
    path = model_output(Path(out), base.class_names, overwrite=overwrite)
    n_bytes = options.views.n * len(base) * BYTES_PER_VALUE * math.prod(tail.map_shape)
    in_views = f" in {options.views.n} views" if options.views.n > 1 else ""
    observer.say(
        f"The output of {layer} is {'×'.join(map(str, tail.map_shape))}: {len(base):,} images"
        f"{in_views} take {n_bytes / 1e6:,.1f} MB in the cache"
    )
    maps = _maps(base, plan, layer, store, options, observer)
    checkpoint = path.with_name(f"{path.name}.epochs")
    report = fit_tail(Frozen(base, maps, tail), head, checkpoint, options.memory, observer, command)
    origin = {**(tag.to_dict() if tag else {}), **report.model.origin}
    report = replace(report, model=replace(report.model, origin=origin))
    report = keep_fit(store, base, report, FIT, observer)
    note = save_and_compare(report.model, path, store, observer, overwrite=overwrite)
    if not options.keep_state:
        checkpoint.unlink(missing_ok=True)
    return replace(report, prepared=report.prepared.with_note(note))


def _with_views(base: FeatureSet, store: FeatureStore, views: Views) -> FeatureSet:
    """Return features that say which views are learned from, as those of other heads do."""
    return base.with_views([store.open_set(spec) for spec in views.specs_of(base.spec.single)[1:]])


def _images(base: FeatureSet, source: str | Path | Source | None) -> Source:
    """Open the source of features, where it is now or where it was."""
    if source is not None:
        return open_source(source)
    location = base.manifest.location
    try:
        return open_source(typed_location(location))
    except SourceNotFoundError as error:
        raise FeaturesNotFoundError(
            f"the images of {base.name} are no longer at {location}: say with --source where they "
            "are now"
        ) from error


def _check_weights(wanted: FeatureSpec, plan: Plan) -> None:
    if plan.weights.tail is not None:
        raise ConfigError(
            "the features are of a backbone that was fine-tuned already. To train it for longer, "
            "repeat its command with --keep-state and more --epochs; to train other layers, name "
            "features of the backbone as it was published"
        )
    if wanted.weights_digest != plan.spec.weights_digest:
        raise ConfigError(
            f"the features were made with other weights of {wanted.backbone} than those that "
            "--weights means here: name those that they were extracted with"
        )


def _maps(
    base: FeatureSet,
    plan: Plan,
    layer: str,
    store: FeatureStore,
    options: FinetuneOptions,
    observer: Observer,
) -> FeatureSet:
    """Return the cached outputs of ``layer`` for the rows of ``base``; compute what is missing."""
    spec = replace(plan.spec, layer=layer, pool="flatten", storage=STORED)
    wanted = replace(plan, specs=(spec,), notes=())
    plans = FeaturePlans((wanted,), wanted.specs).with_views(options.views)
    source = _images(base, options.source)
    extract(source, plans.plans, store, options.run, observer, kind=TUNING)
    itself, *views = [store.open_set(one) for one in plans.specs]
    maps = FeatureSet(base.manifest, itself, store.layout, views)
    rows = np.arange(len(maps))
    n_lost = len(base) - len(maps) + max((len(v.lacking(rows)) for v in maps.views), default=0)
    if n_lost:
        raise FeaturesNotFoundError(
            f"{n_lost:,} of the {len(base):,} images of {base.name} are no longer in "
            f"{source.location}: extract the features of what is there now with `featx extract`, "
            "or say where the images are with --source"
        )
    return maps
