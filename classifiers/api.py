"""Fitting, sweeping and scoring as one call each."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..cache import DEFAULT_ROOT, FeatureStore
from ..extractor.options import Observer, RunOptions
from ..extractor.plan import plan_for
from ..extractor.sources import Source, open_source
from .bundle import load_model, save_model
from .fit import FitReport, HeadOptions, fit
from .score import ScoreJob, ScoreReport, score
from .sweep import SweepObserver, SweepOptions, SweepReport, sweep


def fit_model(
    features: str | None = None,
    options: HeadOptions | None = None,
    *,
    cache: str | Path = DEFAULT_ROOT,
    out: str | Path = "model.featx",
    command: str = "",
) -> FitReport:
    """Fit one head on cached features and write the model to ``out``.

    Raises
    ------
    FeaturesNotFoundError, UnknownHeadError, TrainingDataError, CacheWriteError
        Nothing is written.
    """
    report = fit(FeatureStore(cache).open_features(features), options, command)
    save_model(report.model, Path(out))
    return report


def sweep_model(
    features: Sequence[str | None] = (None,),
    options: SweepOptions | None = None,
    *,
    cache: str | Path = DEFAULT_ROOT,
    out: str | Path = "model.featx",
    observer: SweepObserver | None = None,
    command: str = "",
) -> SweepReport:
    """Compare heads on cached features and write the winner to ``out``.

    Parameters
    ----------
    features : sequence of str or None
        Names of cached features; None is the newest.
    options : SweepOptions, optional
    cache, out : path
    observer : SweepObserver, optional
    command : str
        Kept in the model as its origin.

    Raises
    ------
    FeaturesNotFoundError, UnknownHeadError, TrainingDataError, ConfigError, CacheWriteError
        No model is written.
    """
    store = FeatureStore(cache)
    opened = [store.open_features(name) for name in features]
    report = sweep(opened, options or SweepOptions(), store, observer, command)
    save_model(report.winner, Path(out))
    return report


def score_images(
    model: str | Path,
    source: str | Path | Source,
    out: str | Path,
    *,
    weights: str = "imagenet",
    cache: str | Path = DEFAULT_ROOT,
    run: RunOptions | None = None,
    observer: Observer | None = None,
) -> ScoreReport:
    """Predict every image of a source with a model file; one row each goes to ``out``.

    Raises
    ------
    ModelFileError, FeatureMismatchError, SourceError, BackboneError, ConfigError
        Nothing is written.
    """
    loaded = load_model(model)
    opened = open_source(source)
    plan = plan_for(loaded.spec, weights)
    job = ScoreJob(loaded, plan, opened, FeatureStore(cache))
    return score(job, Path(out), run, observer)
