"""Scoring as one call: a model over images or cached features, one row each."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from ...cache import DEFAULT_ROOT, FeatureSet, FeatureStore
from ...cache.errors import ConfigError, EmptySourceError
from ...extractor.backbones import IMAGENET
from ...extractor.images.decode import strict_images
from ...extractor.images.pixel_range import contradiction
from ...extractor.parts import Part
from ...extractor.run_options import LogObserver, Observer, RunOptions
from ...extractor.sources import Source, SourceOptions, open_source
from ...extractor.sources.address import SourceAddress
from ...extractor.sources.source import source_name
from ...extractor.sources.subset import EmptySource, Subset
from ...extractor.views.views import ITSELF, Views
from ...extractor.workers.share import is_shared
from ..models.model import Model
from ..models.model_file import load_model, model_digest
from .cached_views import with_every_view
from .engine_drift import EngineDrift, worst_engine_drift
from .outputs.earlier_rows import EarlierRows
from .outputs.provenance import Provenance, check_columns
from .outputs.target import DEFAULT, Target
from .predictions import PredictionOptions
from .rows_to_score import CachedRows, ImageRows, RowsToScore
from .score import ScoreJob, ScoreReport, score

FEATURES = "features:"
N_DIGITS = 12
Scored = str | Path | Source | SourceAddress | FeatureSet


@dataclass(frozen=True, kw_only=True)
class ScoreOptions:
    """How a source is scored.

    Attributes
    ----------
    predictions : PredictionOptions
        Columns, thresholds.
    columns : sequence of str
        More columns: ``label`` and ``split`` of the source, ``known`` (what the model did with the
        image), ``model``, ``version``, ``time``.
    format : str or None
        Of a folder's part files, a key of ``FORMATS``; the ending of a file says its own.
    new_only : bool
        ``out`` is a folder; predict the samples that its part files lack, by their ids, into a new
        part file. Images that could not be read are tried again, and get a row once they can be.
    allow_empty : bool
        A source without images is no error.
    weights : str
        Where this machine has the backbone's weights: ``imagenet``, ``random:SEED`` or a path.
    write_cache : bool
        Whether the features that are computed are kept in the cache.
    overwrite : bool
        Replace any file at ``out``; otherwise only predictions of the same model.
    views : Views
        Each image is predicted by the mean of the probabilities over these views of it.
    run : RunOptions
    """

    predictions: PredictionOptions = field(default_factory=PredictionOptions)
    columns: Sequence[str] = ()
    format: str | None = None
    new_only: bool = False
    allow_empty: bool = False
    weights: str = IMAGENET
    write_cache: bool = False
    overwrite: bool = False
    views: Views = ITSELF
    run: RunOptions = field(default_factory=RunOptions)

    def __post_init__(self) -> None:
        check_columns(self.columns)

    def provenance(self, model: Model) -> Provenance:
        """Return what the predictions say of their making; the time only where it is asked for."""
        says_time = self.new_only or "time" in self.columns
        scored_at = datetime.now(UTC).isoformat(timespec="seconds") if says_time else ""
        return Provenance(model_digest(model), scored_at, self.views.describe())


def score_images(
    model: str | Path | Model,
    source: Scored,
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
    source : path, Source, SourceAddress or FeatureSet
        What ``extract`` reads, or cached features: ``features:NAME`` (see ``open_features``).
    out : path
        A file whose ending says the format, or without an ending a folder of part files.
    options : ScoreOptions, optional
    cache : path
        Features found here are not computed again.
    observer : Observer, optional
        Hears about progress; by default a notebook shows a bar, and notes go to ``logging``.

    Returns
    -------
    ScoreReport
        Counts of rows, predicted classes, and the first images that could not be read.

    Raises
    ------
    ModelFileError, FeatureMismatchError, SourceError, BackboneError, ConfigError
        Nothing is written.
    FeatxError
        See ``score``.
    """
    options, observer = options or ScoreOptions(), observer or LogObserver()
    if is_shared(options.run.shared_by, observer):
        from .workers import score_by_workers

        return score_by_workers(model, source, out, options, cache=cache, observer=observer)
    loaded = model if isinstance(model, Model) else load_model(model)
    provenance = options.provenance(loaded)
    rate, novelty = options.predictions.unlike_rate, loaded.novelty
    if rate is not None and novelty is not None and rate < novelty.least_rate:
        observer.say(
            f"Warning: {len(novelty.distances)} images calibrate what is unlike, so that up to "
            f"{novelty.least_rate:.1%} of images like the training images may be flagged, not "
            f"{rate:.1%}."
        )
    target = _target(out, options, provenance.model)
    options.predictions.check_classes(loaded.class_names)
    store = FeatureStore(cache)
    opened = open_scored(source, store, options.allow_empty)
    earlier = EarlierRows()
    if options.run.part:
        opened = _part(opened, options.run.part)
    elif options.new_only:
        earlier = EarlierRows.read(target)
        opened = _without(opened, earlier)
    rows = _rows_to_score(loaded, opened, store, options, observer)
    drift = _engine_drift(loaded, rows, options.run.engine)
    if drift:
        observer.say(drift.describe())
    report = score(_job(loaded, rows, target, options, provenance, earlier))
    return replace(report, engine_drift=drift)


def score_part(
    model: Model,
    opened: Source | FeatureSet,
    target: Target,
    options: ScoreOptions,
    store: FeatureStore,
    observer: Observer,
) -> ScoreReport:
    """Score the part ``options.run.part`` of what is open already, with a model that is loaded.

    Raises
    ------
    FeatxError
        See ``score``.
    """
    part = options.run.part
    rows = _rows_to_score(model, _part(opened, part) if part else opened, store, options, observer)
    return score(_job(model, rows, target, options, options.provenance(model), EarlierRows()))


def _job(
    model: Model,
    rows: RowsToScore,
    target: Target,
    options: ScoreOptions,
    provenance: Provenance,
    earlier: EarlierRows,
) -> ScoreJob:
    return ScoreJob(
        model,
        rows,
        target,
        options.predictions,
        options.run.max_bad,
        columns=options.columns,
        provenance=provenance,
        earlier=earlier,
        is_part=options.run.part is not None,
        views=options.views,
    )


def _engine_drift(model: Model, rows: RowsToScore, engine: str) -> EngineDrift | None:
    """Measure how far this machine's features are off, where images are to be scored."""
    if not isinstance(rows, ImageRows) or not len(rows.listing):
        return None
    trained_on = str(model.origin.get("engine", ""))
    plans = [plan for plan in rows.plans.plans if not plan.spec.view]
    return worst_engine_drift(plans, rows.scan, trained_on, engine)


def open_to_score(
    location: str | Path | Source | Sequence[str],
    reading: SourceOptions | None = None,
    allow_empty: bool = False,
) -> Source:
    """Open a source of images; with ``allow_empty`` also one that has none.

    Raises
    ------
    SourceError
        There is nothing at ``location``, or it cannot be read.
    """
    try:
        return open_source(location, reading)
    except EmptySourceError:
        if not allow_empty:
            raise
        names = [location] if isinstance(location, str | Path) else location
        return EmptySource(", ".join(map(str, names)))  # type: ignore[arg-type]


def _target(out: str | Path, options: ScoreOptions, model: str) -> Target:
    part = options.run.part
    if part is None:
        return Target.parse(
            out, options.format, options.overwrite, model=model, appends=options.new_only
        )
    if options.new_only or options.format not in (None, DEFAULT):
        raise ConfigError(
            "--shard takes no --new-only, and its files are Parquet: --join takes the --format"
        )
    return Target.shard(out, part, options.overwrite, model)


def _part(opened: Source | FeatureSet, part: Part) -> Source | FeatureSet:
    if isinstance(opened, FeatureSet):
        return opened.of_samples(part.rows(len(opened.manifest)))
    return part.of(opened)


def open_scored(source: Scored, store: FeatureStore, allow_empty: bool) -> Source | FeatureSet:
    """Open what is to be scored: images, or cached features.

    Raises
    ------
    SourceError, FeaturesNotFoundError
        There is nothing, or it cannot be read.
    """
    if isinstance(source, FeatureSet):
        return source
    if isinstance(source, SourceAddress):
        return open_to_score(source.locations, source.options, allow_empty)
    if isinstance(source, str) and source.startswith(FEATURES):
        return store.open_features(source.removeprefix(FEATURES) or None)
    return open_to_score(source, None, allow_empty)


def _without(opened: Source | FeatureSet, earlier: EarlierRows) -> Source | FeatureSet:
    """Return what is left of a source where the rows that were predicted are left out."""
    if isinstance(opened, FeatureSet):
        return opened.of_samples(earlier.new_rows(opened.manifest.sample_ids))
    rows = earlier.new_rows(opened.listing().sample_ids)
    digest = hashlib.sha256(rows.astype("<i8").tobytes()).hexdigest()[:N_DIGITS]
    location = f"{opened.location} ({len(rows)} of its images, {digest})"
    return Subset(opened, rows, source_name(f"{opened.name}-new", location), location)


def _rows_to_score(
    model: Model,
    opened: Source | FeatureSet,
    store: FeatureStore,
    options: ScoreOptions,
    observer: Observer,
) -> RowsToScore:
    """Prepare the samples, and refuse features that the model was not made for."""
    if isinstance(opened, FeatureSet):
        model.check_spec(opened.spec)
        bad = store.read_quarantine(opened.manifest.name)
        viewed = with_every_view(opened, store, options.views)
        return CachedRows(viewed, {b.sample_id: b.reason for b in bad}, observer)
    plans = model.plans(options.weights).with_views(options.views)
    width = options.views.n * int(model.head.n_features_in_)
    writes = options.write_cache and len(opened.listing()) > 0
    rows = ImageRows(opened, plans, store, width, options.run, observer, writes)
    with strict_images(options.run.max_pixels):
        ranges = dict.fromkeys(spec.pixel_range for spec in plans.specs)
        all_told = [contradiction(opened.read, rows.scan.n_samples, one) for one in ranges]
    for told in filter(None, all_told):
        observer.say(f"Warning: {told}")
    return rows
