"""Sweeping many heads over cached features: one leaderboard, one winner."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import count
from typing import Any

import numpy as np

from ...cache import FeatureSet, FeatureStore, Scores
from ...cache.errors import ConfigError, TrainingDataError
from ...extractor.run_options import Observer, Silence
from ..heads.registry import find_head
from ..models.model import Model
from .configurations import Configuration, Fitting, Outcome, outcomes
from .fit import HeadOptions, baseline, fit_head, origin, score_split, seeded_head
from .folds import FoldReader, make_folds
from .grid import Family, default_families
from .memory import able_from_disk
from .metrics import DEFAULT_METRIC, METRICS, Metric, find_metric
from .preparation import Prepared, prepare
from .results import Measured, ResultStore, mean_over_folds

AUTO = "auto"
BALANCED_METRIC = "balanced_accuracy"
# How many times the smallest class the largest one is where accuracy hides the small ones.
IMBALANCE = 3


@dataclass(frozen=True)
class SweepOptions:
    """What a sweep tries, and how it judges.

    Attributes
    ----------
    families : tuple of Family
        Empty for the built-in grid of all heads.
    metric : str
        What ranks the configurations: the name of a metric; or ``auto``, which is accuracy, and
        balanced accuracy where the largest class has more than three times the smallest.
    cv : int
        Number of folds; 0 judges on one validation split.
    random_state : int
        Of the splits and folds.
    memory : int, optional
        Bytes that training may take beside the program itself; larger features stay on disk, and
        heads that need them in memory are left out.
    drop_near_duplicates : bool
        Leave training images out that look like validation or test images saved again.
    """

    families: tuple[Family, ...] = ()
    metric: str = AUTO
    cv: int = 0
    random_state: int = 0
    memory: int | None = None
    drop_near_duplicates: bool = False

    def __post_init__(self) -> None:
        if self.metric != AUTO:
            find_metric(self.metric)
        if self.cv < 0 or self.cv == 1:
            raise ConfigError(f"--cv takes 2 folds or more, got {self.cv}")


@dataclass(frozen=True)
class Candidate:
    """One configuration of a head on one set of features.

    Attributes
    ----------
    features, backbone, layer : str
    params : dict
        The parameters that the grid set.
    measured : Measured
    is_stored : bool
        Whether an earlier sweep had measured it.
    """

    features: str
    backbone: str
    layer: str
    params: dict[str, Any]
    measured: Measured
    is_stored: bool

    @property
    def scores(self) -> Scores:
        """The metrics on validation."""
        return self.measured.scores

    def value(self, metric: str) -> float | None:
        """Return a metric; None where it is undefined."""
        return self.scores.metrics.get(metric)


@dataclass(frozen=True)
class Failure:
    """A configuration that could not be fitted, and why."""

    features: str
    configuration: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class SweepReport:
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
        Where results are stored.
    observer : Observer, optional
        Hears what a person should know before training, and counts configurations.
    command : str
        Kept in the model as its origin.

    Raises
    ------
    TrainingDataError, ConfigError
        The labels or the grid cannot be used, or no configuration can be fitted.
    """
    start, observer = time.perf_counter(), observer or Silence()
    configurations = _configurations(options)
    parts = [_Part(feature_set, configurations, options, store) for feature_set in features]
    left_out = sorted({name for part in parts for name in part.left_out})
    n_candidates = sum(len(part.configurations) for part in parts)
    if not n_candidates:
        raise ConfigError(_nothing_to_do(left_out))
    metric, metric_notes = _choose_metric(options.metric, parts)
    notes = (*dict.fromkeys(n for part in parts for n in part.prepared.notes), *metric_notes)
    for note in notes:
        observer.say(note)
    observer.begin(n_candidates, "sweeping")
    board: list[tuple[Any, Candidate, _Part]] = []
    for position, part in enumerate(parts):
        for index, candidate in part.candidates(metric, observer):
            rank = metric.rank(candidate.value(metric.name))
            board.append(((rank, position, index), candidate, part))
    if not board:
        raise TrainingDataError(_nothing_fitted([f for part in parts for f in part.failures]))
    board.sort(key=lambda row: row[0])
    _, best, part = board[0]
    winner, test = part.winner(best, command)
    return SweepReport(
        options=options,
        metric=metric,
        candidates=tuple(candidate for _, candidate, _ in board),
        failures=tuple(failure for part in parts for failure in part.failures),
        winner=winner,
        test=test,
        baseline=part.baseline(),
        prepared=tuple(part.prepared for part in parts),
        notes=notes,
        seconds=time.perf_counter() - start,
        not_kept=next((p.results.refusal for p in parts if p.results.refusal), ""),
        left_out=tuple(left_out),
    )


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
        f"there is nothing to sweep: {', '.join(left_out)} must have all features in memory, which "
        f"--memory does not allow. These heads train from disk: {able_from_disk()}."
    )


def _nothing_fitted(failures: Sequence[Failure]) -> str:
    first = failures[0]
    return (
        f"not one of {len(failures)} configurations could be fitted; the first, "
        f"{first.configuration}: {first.reason}"
    )


def _choose_metric(asked: str, parts: Sequence[_Part]) -> tuple[Metric, list[str]]:
    """Return the metric that ranks, and what to say where it is not the one that was asked for."""
    if asked == AUTO:
        note = next(filter(None, (part.imbalance() for part in parts)), "")
        return METRICS[BALANCED_METRIC if note else DEFAULT_METRIC], [note] if note else []
    metric = METRICS[asked]
    reason = next(filter(None, (part.undefined(metric) for part in parts)), "")
    if not reason:
        return metric, []
    instead = METRICS[DEFAULT_METRIC]
    return instead, [
        f"{metric.title} is undefined on the rows that judge ({reason}): ranked by "
        f"{instead.title} instead. Add images, or name another --metric."
    ]


class _Part:
    """What a sweep does with one set of features."""

    def __init__(
        self,
        features: FeatureSet,
        configurations: Sequence[Configuration],
        options: SweepOptions,
        store: FeatureStore,
    ) -> None:
        self.features, self.options = features, options
        state, cv = options.random_state, options.cv
        self.prepared = prepare(features, state, options.drop_near_duplicates, bool(cv))
        split = self.prepared.split
        folds = make_folds(features, split, cv, state)
        self.reader = FoldReader(features, folds, split.units, options.memory)
        self.results = ResultStore(store, features, self._scheme())
        self.configurations, self.left_out = list(configurations), list[str]()
        if self.reader.is_on_disk:
            able = [c for c in configurations if find_head(c.head).trains_from_disk]
            self.left_out = [c.head for c in configurations if c not in able]
            self.configurations = able
        self.failures: list[Failure] = []
        self._best: tuple[Any, Measured, Any] | None = None

    def _scheme(self) -> dict[str, Any]:
        """Return what distinguishes these rows and this way of judging from others."""
        split, options = self.prepared.split, self.options
        scheme: dict[str, Any] = {"cv": options.cv, "random_state": options.random_state}
        if split.crossings or split.is_small or options.drop_near_duplicates:
            scheme["split"] = split.to_dict()["digest"]
        return scheme

    def undefined(self, metric: Metric) -> str:
        """Say why a metric is undefined on the rows of a fold that judge; empty where it is not."""
        y, names = self.features.y, self.features.class_names
        folds = self.reader.folds
        return next(filter(None, (metric.undefined(y[f.held_out], names) for f in folds)), "")

    def imbalance(self) -> str:
        """Say so where the largest class has many times the images of the smallest one."""
        counts = np.bincount(self.features.y[self.prepared.split.merged().train])
        classes = np.flatnonzero(counts)
        small, large = (classes[f(counts[classes])] for f in (np.argmin, np.argmax))
        if counts[large] <= IMBALANCE * counts[small]:
            return ""
        names = self.features.class_names
        return (
            f"Ranked by {METRICS[BALANCED_METRIC].title}: {names[large]!r} has {counts[large]:,} "
            f"images and {names[small]!r} {counts[small]:,}. --metric accuracy ranks by accuracy."
        )

    def candidates(self, metric: Metric, observer: Observer) -> Iterator[tuple[int, Candidate]]:
        """Yield every configuration that can be fitted, and its index, as it is measured."""
        missing = []
        for configuration in self.configurations:
            stored = self.results.get(configuration.head, dict(configuration.params))
            if stored is None or not stored.tells(metric.name):
                missing.append(configuration)
                continue
            yield configuration.index, self._candidate(configuration, stored, True)
            observer.advance(1)
        for configuration, measured, head in self._measure(missing, observer):
            self.results.put(configuration.head, dict(configuration.params), measured)
            rank = metric.rank(measured.scores.metrics.get(metric.name)), configuration.index
            if self._best is None or rank < self._best[0]:
                self._best = rank, measured, head
            yield configuration.index, self._candidate(configuration, measured, False)
            observer.advance(1)

    def _measure(
        self, configurations: Sequence[Configuration], observer: Observer
    ) -> Iterator[tuple[Configuration, Measured, Any]]:
        """Yield configurations as their last fold is measured, with the head of a single fold."""
        n_folds = len(self.reader.folds)
        fitting = Fitting(self.features.class_names, self.options.random_state, n_folds == 1)
        by_configuration: dict[int, list[Outcome]] = {}
        for outcome in outcomes(configurations, self.reader, fitting):
            configuration = outcome.configuration
            done = by_configuration.setdefault(configuration.index, [])
            done.append(outcome)
            if len(done) < n_folds:
                continue
            problem = next((o.problem for o in done if o.problem), "")
            if problem:
                self.failures.append(Failure(self.features.name, str(configuration), problem))
                observer.advance(1)
                continue
            done.sort(key=lambda o: o.fold)
            folds = [o.measured for o in done if o.measured]
            yield configuration, mean_over_folds(folds), outcome.head

    def winner(self, candidate: Candidate, command: str) -> tuple[Model, Scores | None]:
        """Return the model of ``candidate`` and its scores on the test rows, looked at just now."""
        scores, features, split = candidate.scores, self.features, self.prepared.split
        head = self._head_of(candidate)
        digest = features.manifest.data_digest
        model = Model(features.spec, features.class_names, scores.head, head, data_digest=digest)
        test = None
        if len(split.test):
            test = score_split(model, features, split.test, "test", scores.fit_seconds)
        kept = tuple(s.to_dict() for s in (scores, test) if s)
        made = origin(command, features.name)
        drawn = {**split.to_dict(), "seed": self.options.random_state}
        return replace(model, scores=kept, split=drawn, origin=made), test

    def baseline(self) -> Scores:
        """Measure always saying the most frequent class, on the rows that judge."""
        split = self.prepared.split
        if not self.options.cv:
            return baseline(self.features, split.train, split.val, "val")
        rows = split.merged().train
        return baseline(self.features, rows, rows, f"cv{self.options.cv}")

    def _head_of(self, candidate: Candidate) -> Any:
        if not self.options.cv and self._best and self._best[1] is candidate.measured:
            return self._best[2]
        name, options = candidate.scores.head, self.options
        head = seeded_head(name, candidate.params, options.random_state)
        split = self.prepared.split.merged() if options.cv else self.prepared.split
        fit_head(head, self.features, split, HeadOptions(name, memory=options.memory))
        return head

    def _candidate(
        self, configuration: Configuration, measured: Measured, is_stored: bool
    ) -> Candidate:
        spec, params = self.features.spec, dict(configuration.params)
        name = self.features.name
        return Candidate(name, spec.backbone, spec.layer, params, measured, is_stored)
