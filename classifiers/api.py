"""Fitting, sweeping and scoring as one call each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..cache import DEFAULT_ROOT, FeatureSet, FeatureStore
from ..extractor.backbones import IMAGENET
from ..extractor.images.decode import strict_images
from ..extractor.images.pixel_range import contradiction
from ..extractor.plan import plan_for
from ..extractor.run_options import Observer, RunOptions, Silence
from ..extractor.sources import Source, open_source
from .models.model import Model
from .models.model_file import load_model, model_output, save_model
from .scoring.engine_drift import measure_engine_drift
from .scoring.outputs.target import Target
from .scoring.predictions import PredictionOptions
from .scoring.rows_to_score import CachedRows, ImageRows, RowsToScore
from .scoring.score import ScoreJob, ScoreReport, score
from .selection.fit import FitReport, HeadOptions, fit
from .selection.sweep import SweepReport, sweep
from .selection.sweep_options import SweepOptions

if TYPE_CHECKING:
    from .models.export import GraphReport

FEATURES = "features:"


def fit_model(
    features: str | None = None,
    options: HeadOptions | None = None,
    *,
    cache: str | Path = DEFAULT_ROOT,
    out: str | Path = "model.featx",
    overwrite: bool = False,
    observer: Observer | None = None,
    command: str = "",
) -> FitReport:
    """Fit one head on cached features and write the model to ``out``.

    With ``overwrite`` any file is replaced; otherwise only a model that shares a class.

    Raises
    ------
    FeaturesNotFoundError, UnknownHeadError, TrainingDataError, ConfigError, CacheWriteError
        Nothing is written.
    """
    store = FeatureStore(cache)
    opened = store.open_features(features)
    model_output(Path(out), opened.class_names, overwrite=overwrite)
    report = fit(opened, options, command, observer)
    report = replace(report, model=_with_engine(report.model, store))
    save_model(report.model, Path(out), overwrite=overwrite)
    return report


def sweep_model(
    features: Sequence[str | None] = (None,),
    options: SweepOptions | None = None,
    *,
    cache: str | Path = DEFAULT_ROOT,
    out: str | Path = "model.featx",
    overwrite: bool = False,
    observer: Observer | None = None,
    command: str = "",
) -> SweepReport:
    """Compare heads on cached features and write the winner to ``out``.

    Parameters
    ----------
    features : sequence of str or None
        Names of cached features; None is the newest.
    options : SweepOptions, optional
    cache, out : path
    overwrite : bool
        Replace any file at ``out``; otherwise only a model that shares a class.
    observer : Observer, optional
    command : str
        Kept in the model as its origin.

    Raises
    ------
    FeaturesNotFoundError, UnknownHeadError, TrainingDataError, ConfigError, CacheWriteError
        No model is written.
    """
    store = FeatureStore(cache)
    opened = [store.open_features(name) for name in features]
    model_output(Path(out), opened[0].class_names, overwrite=overwrite)
    report = sweep(opened, options or SweepOptions(), store, observer, command)
    report = replace(report, winner=_with_engine(report.winner, store))
    save_model(report.winner, Path(out), overwrite=overwrite)
    return report


def _with_engine(model: Model, store: FeatureStore) -> Model:
    """Let the model say which engine made its features."""
    engine = store.find(str(model.origin["features"])).record.engine
    return replace(model, origin={**model.origin, "engine": engine})


def open_features(name: str | None = None, cache: str | Path = DEFAULT_ROOT) -> FeatureSet:
    """Open cached features lazily.

    Parameters
    ----------
    name : str, optional
        A source, ``source@fingerprint``, a fingerprint, their start, or a backbone, where it is
        unambiguous; default: the newest.
    cache : path

    Raises
    ------
    FeaturesNotFoundError, CacheFormatError
        Nothing answers to the name, or it cannot be read.
    """
    return FeatureStore(cache).open_features(name)


@dataclass(frozen=True, kw_only=True)
class ScoreOptions:
    """How a source is scored.

    Attributes
    ----------
    predictions : PredictionOptions
        Columns, thresholds.
    format : str or None
        Of a folder's part files, a key of ``FORMATS``; the ending of a file says its own.
    weights : str
        Where this machine has the backbone's weights: ``imagenet``, ``random:SEED`` or a path.
    write_cache : bool
        Whether the features that are computed are kept in the cache.
    overwrite : bool
        Replace any file at ``out``; otherwise only predictions that featx wrote.
    run : RunOptions
    """

    predictions: PredictionOptions = field(default_factory=PredictionOptions)
    format: str | None = None
    weights: str = IMAGENET
    write_cache: bool = False
    overwrite: bool = False
    run: RunOptions = field(default_factory=RunOptions)


def score_images(
    model: str | Path | Model,
    source: str | Path | Source | FeatureSet,
    out: str | Path,
    options: ScoreOptions | None = None,
    *,
    cache: str | Path = DEFAULT_ROOT,
    observer: Observer | None = None,
) -> ScoreReport:
    """Predict every sample of a source with a model; one row each goes to ``out``.

    Parameters
    ----------
    model : path or Model
    source : path, Source or FeatureSet
        What ``extract`` reads, or cached features: ``features:NAME`` (see ``open_features``).
    out : path
        A file whose ending says the format, or without an ending a folder of part files.
    options : ScoreOptions, optional
    cache : path
        Features found here are not computed again.
    observer : Observer, optional
        Hears about progress.

    Raises
    ------
    ModelFileError, FeatureMismatchError, SourceError, BackboneError, ConfigError
        Nothing is written.
    FeatxError
        See ``score``.
    """
    options = options or ScoreOptions()
    loaded = model if isinstance(model, Model) else load_model(model)
    target = Target.parse(out, options.format, options.overwrite)
    options.predictions.check_classes(loaded.class_names)
    store = FeatureStore(cache)
    observer = observer or Silence()
    rows = _rows_to_score(loaded, source, store, options, observer)
    job = ScoreJob(loaded, rows, target, options.predictions, options.run.max_bad)
    drift = None
    if isinstance(rows, ImageRows):
        trained_on = str(loaded.origin.get("engine", ""))
        drift = measure_engine_drift(rows.plan, rows.scan, trained_on, options.run.engine)
    if drift:
        observer.say(drift.describe())
    return replace(score(job), engine_drift=drift)


def _rows_to_score(
    model: Model,
    source: str | Path | Source | FeatureSet,
    store: FeatureStore,
    options: ScoreOptions,
    observer: Observer,
) -> RowsToScore:
    """Find the samples, and refuse features that the model was not made for."""
    if isinstance(source, str) and source.startswith(FEATURES):
        source = store.open_features(source.removeprefix(FEATURES) or None)
    if isinstance(source, FeatureSet):
        model.check_spec(source.spec)
        bad = store.read_quarantine(source.manifest.name)
        return CachedRows(source, {b.sample_id: b.reason for b in bad}, observer)
    opened = open_source(source)
    plan = plan_for(model.spec, options.weights)
    model.check_plan(plan)
    width = int(model.head.n_features_in_)
    rows = ImageRows(opened, plan, store, width, options.run, observer, options.write_cache)
    with strict_images(options.run.max_pixels):
        told = contradiction(opened.read, rows.scan.n_samples, plan.spec.pixel_range)
    if told:
        observer.say(f"Warning: {told}")
    return rows


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
        loaded = _with_engine(refit_model(loaded, store), store)
        save_model(loaded, Path(refit), overwrite=overwrite)
    return export(loaded, to, Path(out) if out else None, weights, overwrite=overwrite)
