"""Fitting, sweeping and exporting as one call each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..cache import DEFAULT_ROOT, FeatureSet, FeatureStore, Tag
from ..cache.results.result import FIT
from ..extractor.backbones import IMAGENET
from ..extractor.run_options import LogObserver, Observer
from .fit_arguments import options_of, with_families, with_split, with_weights
from .models.model import Model
from .models.model_file import load_model, model_output, save_model
from .selection.fit import FitReport, HeadOptions, chosen_metric, fit, with_metric
from .selection.learned.views import with_views
from .selection.like import features_of, fit_like, with_views_of
from .selection.metrics import find_metric
from .selection.replaced import save_and_compare
from .selection.results import keep_fit
from .selection.splitting.splits import split_features
from .selection.sweep import SweepReport, sweep
from .selection.sweep_options import SweepOptions

if TYPE_CHECKING:
    from .models.export import GraphReport


def fit_model(
    features: str | FeatureSet | None = None,
    options: HeadOptions | None = None,
    *,
    head: Any = None,
    split: Any = None,
    sample_weight: Any = None,
    metric: str | None = None,
    like: str | Path | Model | None = None,
    cache: str | Path = DEFAULT_ROOT,
    out: str | Path = "model.featx",
    overwrite: bool = False,
    observer: Observer | None = None,
    command: str = "",
    tag: Tag | None = None,
) -> FitReport:
    """Fit one head on cached features and write the model to ``out``.

    Parameters
    ----------
    features : str or FeatureSet, optional
        Cached features by their name, or opened; by default the newest. ``a+b`` has the columns
        of both, side by side.
    options : HeadOptions, optional
    head : str or estimator, optional
        Name of a head; or a classifier of scikit-learn's interface, such as a ``Pipeline``, which
        is cloned. The model file keeps it through skops, without pickle.
    split : array-like (n_samples,) of str, or mapping of str to rows, optional
        ``train``, ``val`` or ``test`` of each row of the features, or the rows of each, as indices
        or masks; rows that it does not name are left out. By default the split of the source, or
        one that is drawn. What a source or this does not give, val or test, is drawn from train.
    sample_weight : array-like (n_samples,), or mapping of sample id to weight, optional
        From 0 on; by default the weights of the source, where its table has them.
    metric : str, optional
        What ``FitReport.score`` is; by default accuracy, or balanced accuracy where the largest
        class has more than three times the images of the smallest. ``recall:Shirt`` and
        ``cost:costs.csv`` are metrics, too.
    like : path or Model, optional
        Make this model again, with its head, parameters, images, labels and splits.
    cache, out : path
    overwrite : bool
        Replace any file at ``out``; otherwise only a model that shares a class.
    observer : Observer, optional
        Hears what a person should know.
    command : str
        Kept in the model as its origin.
    tag : Tag, optional
        What the user calls the model.

    Returns
    -------
    FitReport
        The model, its metrics on validation and test with those of the baseline, and the split.

    Raises
    ------
    FeaturesNotFoundError, UnknownHeadError, TrainingDataError, ConfigError, CacheWriteError
        Nothing is written.
    ModelError
        An own estimator cannot be kept without pickle; nothing is written.
    """
    store = FeatureStore(cache)
    options = options_of(options, head)
    if metric is not None:
        find_metric(metric)
        options = replace(options, metric=metric)
    old = load_model(like) if isinstance(like, str | Path) else like
    opened = features_of(old, store) if old else _opened(features, store)
    opened = _with_views(opened, store, options, old)
    opened = opened if split is None else with_split(opened, split)
    opened = opened if sample_weight is None else with_weights(opened, sample_weight)
    model_output(Path(out), opened.class_names, overwrite=overwrite)
    if old:
        report = fit_like(old, opened, command, options.memory)
        report = with_metric(report, chosen_metric(opened, report.split, options.metric)[0])
    else:
        report = fit(opened, options, command, observer)
    engine = str(old.origin.get("engine", "")) if old else None
    report = keep_fit(store, opened, report, FIT, observer)
    model = _completed(report.model, store, tag, engine)
    note = save_and_compare(model, Path(out), store, observer, overwrite=overwrite)
    prepared = report.prepared.with_note(note)
    report = replace(report, model=model, prepared=prepared)
    if note := report.model.head.trust_note():
        (observer or LogObserver()).say(note)
    return report


def sweep_model(
    features: Sequence[str | FeatureSet | None] = (None,),
    options: SweepOptions | None = None,
    *,
    heads: Sequence[Any] = (),
    cache: str | Path = DEFAULT_ROOT,
    out: str | Path = "model.featx",
    overwrite: bool = False,
    observer: Observer | None = None,
    command: str = "",
    tag: Tag | None = None,
) -> SweepReport:
    """Compare heads on cached features and write the winner to ``out``.

    Parameters
    ----------
    features : sequence of str, FeatureSet or None
        Cached features by their names, or opened; None is the newest. ``a+b`` has the columns of
        both, side by side.
    options : SweepOptions, optional
    heads : sequence of str or estimator, optional
        Names of heads, each with its default grid, and own classifiers of scikit-learn's interface;
        ``options`` must not name families then.
    cache, out : path
    overwrite : bool
        Replace any file at ``out``; otherwise only a model that shares a class.
    observer : Observer, optional
    command : str
        Kept in the model as its origin.
    tag : Tag, optional
        What the user calls the model, kept beside the command.

    Returns
    -------
    SweepReport
        All configurations, best first; the winner, and what it has on test.

    Raises
    ------
    FeaturesNotFoundError, UnknownHeadError, TrainingDataError, ConfigError, CacheWriteError
        No model is written.
    """
    store = FeatureStore(cache)
    opened = [_opened(one, store) for one in features]
    model_output(Path(out), opened[0].class_names, overwrite=overwrite)
    options = with_families(options or SweepOptions(), heads)
    report = sweep(opened, options, store, observer, command)
    winner = _completed(report.winner, store, tag)
    note = save_and_compare(winner, Path(out), store, observer, overwrite=overwrite)
    notes = tuple(filter(None, (*report.notes, note)))
    return replace(report, winner=winner, notes=notes)


def _opened(features: str | FeatureSet | None, store: FeatureStore) -> FeatureSet:
    return features if isinstance(features, FeatureSet) else store.open_features(features)


def _with_views(
    features: FeatureSet, store: FeatureStore, options: HeadOptions, old: Model | None
) -> FeatureSet:
    """Return the features with the views that the options ask for, or that an old model had."""
    if old is not None:
        return with_views_of(old, features, store)
    return with_views(features, store, options.views, options.view_ops, options.views_seed)


def _completed(
    model: Model, store: FeatureStore, tag: Tag | None = None, engine: str | None = None
) -> Model:
    """Let the model say which engine made its features, and what its user calls it."""
    if engine is None:
        engine = store.find_parts(str(model.origin["features"]))[0].record.engine
    named = tag.to_dict() if tag else {}
    return replace(model, origin={**named, **model.origin, "engine": engine})


def open_features(name: str | None = None, cache: str | Path = DEFAULT_ROOT) -> FeatureSet:
    """Open cached features lazily.

    Parameters
    ----------
    name : str, optional
        A source, ``source@fingerprint``, a fingerprint, their start, or a backbone, where it is
        unambiguous; several with ``+`` between them stand side by side. Default: the newest.
    cache : path

    Returns
    -------
    FeatureSet
        ``X (n_samples, n_features)`` of float32 or float16, read as it is indexed; ``y`` of int64,
        -1 without a label; ``sample_ids``, ``class_names``.

    Raises
    ------
    FeaturesNotFoundError, CacheFormatError
        Nothing answers to the name, or it cannot be read.
    """
    features = FeatureStore(cache).open_features(name)
    features.splitter = _rows_of_splits
    return features


def _rows_of_splits(features: FeatureSet, seed: int) -> dict[str, NDArray[np.int64]]:
    split = split_features(features, seed)
    return {"train": split.train, "val": split.val, "test": split.test}


def export_model(
    model: str | Path | Model,
    to: str,
    out: str | Path | None = None,
    *,
    weights: str = IMAGENET,
    refit: str | Path | None = None,
    cache: str | Path = DEFAULT_ROOT,
    overwrite: bool = False,
) -> GraphReport:
    """Write a model as one graph from uint8 RGB images to class probabilities, for use elsewhere.

    Parameters
    ----------
    model : path or Model
    to : str
        ``keras``, ``savedmodel``, ``onnx``, ``openvino`` or ``tflite``.
    out : path, optional
        Default: ``model`` with the format's ending.
    weights : str
        Where this machine has the backbone's weights: ``imagenet``, ``random:SEED`` or a path.
    refit : path, optional
        First fit the head again on float32 features of the same images, which ``cache`` holds, and
        write that model here: the graph computes in float32.
    cache : path
    overwrite : bool
        Replace any file at ``out`` and ``refit``; otherwise only what featx wrote.

    Returns
    -------
    GraphReport
        What was written, and how far its probabilities are from featx' own on sample images.

    Raises
    ------
    ConfigError, ModelFileError, FeatureMismatchError, BackboneError, ModelError, CacheWriteError
        See ``export``; nothing is written.
    """
    from .models.export import export
    from .models.export.refit import refit as refit_model

    loaded = model if isinstance(model, Model) else load_model(model)
    if refit is not None:
        model_output(Path(refit), loaded.class_names, overwrite=overwrite)
        store = FeatureStore(cache)
        loaded = _completed(refit_model(loaded, store), store)
        save_model(loaded, Path(refit), overwrite=overwrite)
    return export(loaded, to, Path(out) if out else None, weights, overwrite=overwrite)
