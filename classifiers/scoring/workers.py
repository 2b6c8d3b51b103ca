"""Scoring by several workers: each scores parts as ``--shard`` does; then they are joined."""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from dataclasses import dataclass, replace
from pathlib import Path

from ...cache import DEFAULT_ROOT, FeatureSet, FeatureStore, Listing
from ...cache.errors import ConfigError
from ...extractor.parts import Part
from ...extractor.pipeline.scan import scan_source
from ...extractor.pipeline.stage_pool import StagePool
from ...extractor.run_options import LogObserver, Observer
from ...extractor.sources import Source
from ...extractor.sources.address import SourceAddress, address_of, listing_digest
from ...extractor.workers.driver import SaysOnce
from ...extractor.workers.share import share
from ..models.model import Model
from ..models.model_file import load_model, model_digest
from .api import FEATURES, Scored, ScoreOptions, open_scored, score_part
from .engine_drift import EngineDrift, worst_engine_drift
from .join import join_predictions
from .outputs.target import Target
from .score import ScoreReport

N_DIGITS = 12


@dataclass(frozen=True)
class ScoringSettled:
    """What all workers of a scoring agree on, and what the first one has measured."""

    n_samples: int
    batch_sizes: dict[str, int]
    drift: EngineDrift | None


@dataclass(frozen=True)
class ScoringWork:
    """A scoring as it travels to workers.

    Attributes
    ----------
    model : str
        Its file, which every machine must have.
    model_digest : str
    source : SourceAddress or str
        Images, or the name of cached features.
    ids_digest : str
        Of the source's listing: every machine must see the same samples.
    parts : str
        The folder of the parts' files.
    cache : str
    options : ScoreOptions
    """

    model: str
    model_digest: str
    source: SourceAddress | str
    ids_digest: str
    parts: str
    cache: str
    options: ScoreOptions

    def n_left(self, settled: ScoringSettled, part: Part) -> int:
        """Return how many samples of a part are to be scored; none where its file is there."""
        is_done = self.part_target(part).path.exists()
        return 0 if is_done else part.n_images(settled.n_samples)

    def part_target(self, part: Part) -> Target:
        """Return the file of a part."""
        return Target.shard(f"{self.parts}/", part, model=self.model_digest)

    def begin(self, settled: ScoringSettled | None, observer: Observer) -> ScoringTask:
        """Load the model and open the source here; the first worker settles the batch size."""
        model, store = load_model(self.model), FeatureStore(self.cache)
        if model_digest(model) != self.model_digest:
            raise ConfigError(
                f"{self.model} is another model here than where the run was started. Every machine "
                "needs the same files under the same paths"
            )
        opened = open_scored(self.source, store, self.options.allow_empty)
        if listing_digest(_listing(opened)) != self.ids_digest:
            raise ConfigError(
                "the source holds other samples here than where the run was started, or has "
                "changed since. Every machine needs the same files under the same paths; run the "
                "command again"
            )
        if settled is None:
            settled = self._settle(model, opened, store)
        stages = StagePool(len(_listing(opened)), settled.batch_sizes)
        options = replace(self.options, run=replace(self.options.run, stages=stages))
        return ScoringTask(self, settled, model, opened, store, options, observer)

    def _settle(
        self, model: Model, opened: Source | FeatureSet, store: FeatureStore
    ) -> ScoringSettled:
        n_samples = len(_listing(opened))
        if isinstance(opened, FeatureSet) or not n_samples:
            return ScoringSettled(n_samples, {}, None)
        plans = model.plans(self.options.weights).plans
        stages, run = StagePool(n_samples), self.options.run
        for plan in plans:
            stages.measure(plan, run)
        trained_on, scan = str(model.origin.get("engine", "")), scan_source(opened, store)
        drift = worst_engine_drift(plans, scan, trained_on, run.engine)
        return ScoringSettled(n_samples, stages.batch_sizes, drift)


@dataclass(frozen=True)
class ScoringTask:
    """A scoring in one worker."""

    work: ScoringWork
    settled: ScoringSettled
    model: Model
    opened: Source | FeatureSet
    store: FeatureStore
    options: ScoreOptions
    observer: Observer

    def run(self, part: Part) -> tuple[int, int]:
        """Score a part, as ``featx score --shard`` does; return rows and cached features.

        A part whose file is there was finished by an earlier run: the folder's name says so.
        """
        options = replace(self.options, run=replace(self.options.run, part=part))
        target = self.work.part_target(part)
        if target.path.exists():
            return part.n_images(len(_listing(self.opened))), 0
        report = score_part(self.model, self.opened, target, options, self.store, self.observer)
        return report.n_samples, report.n_cached


def score_by_workers(
    model: str | Path | Model,
    source: Scored,
    out: str | Path,
    options: ScoreOptions,
    *,
    cache: str | Path = DEFAULT_ROOT,
    observer: Observer | None = None,
) -> ScoreReport:
    """Predict every sample of a source with several workers (see ``score_images``).

    Parameters
    ----------
    model : path
    source : path or SourceAddress
        Images, or ``features:NAME``.
    out, options, cache, observer
        See ``score_images``; ``options.run.shared_by`` names the workers.

    Raises
    ------
    IncompleteError
        Parts did not finish: they are named, and the same call goes on from what is saved.
    FeatxError
        See ``score_images``.
    """
    started, observer = time.perf_counter(), SaysOnce(observer or LogObserver())
    workers = options.run.shared_by
    if workers is None:
        raise ConfigError("no workers are named")
    if options.new_only:
        raise ConfigError("--new-only is for one process: leave --devices and --ray out")
    if isinstance(model, Model):
        raise ConfigError("the workers load the model themselves: save it and give its path")
    loaded, address = load_model(model), _address(source)
    digest = model_digest(loaded)
    target = Target.parse(out, options.format, options.overwrite, model=digest)
    options.predictions.check_classes(loaded.class_names)
    opened = open_scored(address, FeatureStore(cache), options.allow_empty)
    parts = _parts_folder(target.path, digest, opened, options)
    work = ScoringWork(
        str(model),
        digest,
        address,
        listing_digest(_listing(opened)),
        str(parts),
        str(cache),
        replace(options, format=None, run=replace(options.run, shared_by=None, max_bad=None)),
    )
    n_samples = len(_listing(opened))
    shared = share(work, workers, n_samples, f"{loaded.spec.backbone}: scoring", observer)
    if shared.settled.drift:
        observer.say(shared.settled.drift.describe())
    report = join_predictions(loaded, opened, target.path, options, cache=cache, parts=parts)
    shutil.rmtree(parts, ignore_errors=True)
    report = replace(
        report,
        seconds=time.perf_counter() - started,
        n_cached=sum(n_cached for _, n_cached in shared.results),
        engine_drift=shared.settled.drift,
    )
    if options.run.max_bad:
        options.run.max_bad.check(report.n_errors, report.n_samples, str(report.out))
    return report


def _address(source: Scored) -> SourceAddress | str:
    """Return where a source is, as it travels; raises ConfigError for what only this one reads."""
    if isinstance(source, str) and source.startswith(FEATURES):
        return source
    if isinstance(source, FeatureSet):
        raise ConfigError(f"the workers open features themselves: give {FEATURES}{source.name}")
    return address_of(source)


def _listing(opened: Source | FeatureSet) -> Listing:
    return opened.manifest.listing if isinstance(opened, FeatureSet) else opened.listing()


def _parts_folder(
    out: Path, model: str, opened: Source | FeatureSet, options: ScoreOptions
) -> Path:
    """Return the folder of the parts' files, whose name holds all that decides their rows."""
    marks = opened.manifest.digests if isinstance(opened, FeatureSet) else opened.stamps()
    chosen = [
        *(model, options.predictions.to_dict(), list(options.columns), options.weights),
        *([options.views.to_dict()] if options.views.n > 1 else []),
    ]
    state = hashlib.sha256(json.dumps(chosen, sort_keys=True).encode("utf-8"))
    state.update(listing_digest(_listing(opened)).encode("ascii"))
    state.update(marks.tobytes())
    return out.with_name(f"{out.name}.shards-{state.hexdigest()[:N_DIGITS]}")
