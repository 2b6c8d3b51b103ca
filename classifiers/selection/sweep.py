"""Sweeping many heads over cached features: one leaderboard, one winner."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count

from ...cache import FeatureSet, FeatureStore, Scores
from ...cache.errors import ConfigError, TrainingDataError
from ...cache.format.facts import Shown
from ...extractor.run_options import LogObserver, Observer
from ..heads.registry import find_head
from ..models.model import Model
from .configurations import Configuration
from .feature_sweep import Candidate, Failure, FeatureSweep
from .grid import default_families, params_text
from .learned.views import with_views
from .memory import able_from_disk
from .metrics import DEFAULT_METRIC, METRICS, Metric, metric_for
from .splitting.preparation import Prepared
from .sweep_options import SweepOptions

SHOWN_CANDIDATES = 5


@dataclass(frozen=True, kw_only=True, repr=False)
class SweepReport(Shown):
    """The leaderboard, best first, and the winner measured once on the test split.

    Attributes
    ----------
    options : SweepOptions
    metric : Metric
        What the candidates were ranked by.
    candidates : tuple of Candidate
    failures : tuple of Failure
    winner : Model
    test : Scores, optional
        The winner's, where there are test rows.
    baseline : Scores
        Of always saying the most frequent class, on the rows that the winner was ranked on.
    prepared : tuple of Prepared
        One for each set of features.
    notes : tuple of str
        What a person should know: of the data, and of the metric.
    seconds : float
    not_kept : str
        Why results are not kept for a repeated sweep; empty where they are.
    left_out : tuple of str
        Heads that need more memory than they were allowed.
    """

    options: SweepOptions
    metric: Metric
    candidates: tuple[Candidate, ...]
    failures: tuple[Failure, ...]
    winner: Model
    test: Scores | None
    baseline: Scores
    prepared: tuple[Prepared, ...]
    notes: tuple[str, ...]
    seconds: float
    not_kept: str = ""
    left_out: tuple[str, ...] = ()

    def _title(self) -> str:
        return f"SweepReport of {len(self.candidates):,} configurations"

    def _facts(self) -> dict[str, str]:
        name = self.metric.name
        facts = {"ranked by": self.metric.title}
        for place, candidate in enumerate(self.candidates[:SHOWN_CANDIDATES], 1):
            value = candidate.value(name)
            text = "undefined" if value is None else f"{value:.4f}"
            what = f"{candidate.scores.head} {params_text(candidate.params)}".strip()
            facts[f"{place}."] = f"{text}  {what} on {candidate.features}"
        if self.test is not None:
            facts["winner on test"] = f"{self.test.metrics.get(name, float('nan')):.4f}"
        return facts


def sweep(
    features: Sequence[FeatureSet],
    options: SweepOptions,
    store: FeatureStore,
    observer: Observer | None = None,
    command: str = "",
) -> SweepReport:
    """Measure every configuration on every set of features; measure the winner on test, once.

    Scaling and calibration happen inside each head, on the training rows alone. Results are stored
    in the cache as they come: a repeated or extended sweep computes what is new, and one that is
    interrupted keeps what is done. With one validation split the winner is the head that was
    measured; with folds it is fitted again on all rows but the test rows.

    Parameters
    ----------
    features : sequence of FeatureSet
    options : SweepOptions
    store : FeatureStore
        Where results are stored, and views of the images are.
    observer : Observer, optional
        Hears what a person should know before training, and counts configurations.
    command : str
        Kept in the model as its origin.

    Raises
    ------
    TrainingDataError, ConfigError
        The labels or the grid cannot be used, the sets have other classes or rows, or no
        configuration can be fitted.
    FeaturesNotFoundError
        The cache lacks views that ``options`` ask for.
    """
    start, observer = time.perf_counter(), observer or LogObserver()
    configurations = _configurations(options)
    views = (options.views, options.view_ops, options.views_seed)
    viewed = [with_views(one, store, *views) for one in features]
    sweeps = [FeatureSweep(one, configurations, options, store) for one in viewed]
    for one in sweeps[1:]:
        sweeps[0].check_same_rows(one)
    left_out = sorted({head for one in sweeps for head in one.left_out})
    if not any(one.configurations for one in sweeps):
        raise ConfigError(_nothing_to_do(left_out))
    metric, metric_notes = _choose_metric(options.metric, sweeps)
    notes = (*dict.fromkeys(note for one in sweeps for note in one.prepared.notes), *metric_notes)
    for note in notes:
        observer.say(note)
    board = _measure(sweeps, metric, observer)
    best, feature_sweep = board[0]
    winner, test = feature_sweep.winner(best, metric, command)
    return SweepReport(
        options=options,
        metric=metric,
        candidates=tuple(candidate for candidate, _ in board),
        failures=tuple(failure for one in sweeps for failure in one.failures),
        winner=winner,
        test=test,
        baseline=feature_sweep.baseline(metric),
        prepared=tuple(one.prepared for one in sweeps),
        notes=notes,
        seconds=time.perf_counter() - start,
        not_kept=next(filter(None, (one.results.refusal for one in sweeps)), ""),
        left_out=tuple(left_out),
    )


def _measure(
    sweeps: Sequence[FeatureSweep], metric: Metric, observer: Observer
) -> list[tuple[Candidate, FeatureSweep]]:
    """Measure all configurations and return them best first; of equals, the cheaper one first.

    Raises
    ------
    TrainingDataError
        Not one configuration can be fitted.
    """
    observer.begin(sum(len(one.configurations) for one in sweeps), "sweeping")
    ranked = [
        ((metric.rank(candidate.value(metric.name)), position, index), candidate, one)
        for position, one in enumerate(sweeps)
        for index, candidate in one.candidates(metric, observer)
    ]
    if not ranked:
        raise TrainingDataError(_nothing_fitted([f for one in sweeps for f in one.failures]))
    ranked.sort(key=lambda row: row[0])
    return [(candidate, one) for _, candidate, one in ranked]


def _configurations(options: SweepOptions) -> list[Configuration]:
    """Return all configurations, those of cheap heads first; raises where one is unknown."""
    families = list(options.families) or default_families()
    families.sort(key=lambda family: find_head(family.head).cost)
    numbers = count()
    return [
        Configuration(next(numbers), family.head, params)
        for family in families
        for params in family.params
    ]


def _nothing_to_do(left_out: Sequence[str]) -> str:
    if not left_out:
        return "there is nothing to sweep: no features or no heads were named"
    return (
        f"there is nothing to sweep: {', '.join(left_out)} must have all features in memory, "
        "and they are larger than --memory, or what is free, allows. These heads train from disk: "
        f"{able_from_disk()}."
    )


def _nothing_fitted(failures: Sequence[Failure]) -> str:
    first = failures[0]
    return (
        f"not one of {len(failures)} configurations could be fitted; the first, "
        f"{first.configuration}: {first.reason}"
    )


def _choose_metric(asked: str, sweeps: Sequence[FeatureSweep]) -> tuple[Metric, list[str]]:
    """Return the metric that ranks, and what to say where it is not the one that was asked for."""
    first = sweeps[0]
    metric, note = metric_for(asked, first.y_seen, first.features.class_names)
    if note:
        return metric, [note]
    reason = next(filter(None, (one.undefined(metric) for one in sweeps)), "")
    if not reason:
        return metric, []
    instead = METRICS[DEFAULT_METRIC]
    return instead, [
        f"{metric.title} is undefined on the rows that judge ({reason}): ranked by "
        f"{instead.title} instead. Add images, or name another --metric."
    ]
