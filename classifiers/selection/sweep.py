"""Sweeping many heads over cached features: one leaderboard, one winner."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np

from ...cache import FeatureSet, FeatureStore, Scores
from ...cache.errors import ConfigError
from ..heads.registry import find_head
from ..models.model import Model
from .fit import HeadOptions, fit_head, origin, score_split, seeded_head
from .folds import Fold, FoldData, make_folds, mean_over_folds, measure_family
from .grid import Family, default_families
from .memory import able_from_disk, stays_on_disk
from .metrics import DEFAULT_METRIC, find_metric
from .results import Measured, ResultStore
from .splits import Split, split_features


@dataclass(frozen=True)
class SweepOptions:
    """What a sweep tries, and how it judges.

    Attributes
    ----------
    families : tuple of Family
        Empty for the built-in grid of all heads.
    metric : str
        The name of a metric, by which configurations are ranked.
    cv : int
        Number of folds; 0 judges on one validation split.
    random_state : int
        Of the splits and folds.
    memory : int, optional
        Bytes that training may take beside the program itself; larger features stay on disk, and
        heads that need them in memory are left out.
    """

    families: tuple[Family, ...] = ()
    metric: str = DEFAULT_METRIC
    cv: int = 0
    random_state: int = 0
    memory: int | None = None

    def __post_init__(self) -> None:
        find_metric(self.metric)
        if self.cv < 0 or self.cv == 1:
            raise ConfigError(f"--cv takes 2 folds or more, got {self.cv}")

    @property
    def scheme(self) -> dict[str, Any]:
        """What distinguishes this way of judging from others."""
        return {"cv": self.cv, "random_state": self.random_state}


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
class SweepReport:
    """The leaderboard, best first, and the winner measured once on the test split.

    ``not_kept`` says why results are not kept for a repeated sweep; it is empty where they are.
    ``left_out`` names the heads that need more memory than they were allowed.
    """

    options: SweepOptions
    candidates: tuple[Candidate, ...]
    winner: Model
    test: Scores | None
    seconds: float
    not_kept: str = ""
    left_out: tuple[str, ...] = ()


class SweepObserver(Protocol):
    """Hears how far a sweep is."""

    def begin(self, n_candidates: int) -> None:
        """``n_candidates`` will be measured."""
        ...

    def advance(self, candidate: Candidate) -> None:
        """One more is measured."""
        ...


def sweep(
    features: Sequence[FeatureSet],
    options: SweepOptions,
    store: FeatureStore,
    observer: SweepObserver | None = None,
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
    observer : SweepObserver, optional
    command : str
        Kept in the model as its origin.

    Raises
    ------
    TrainingDataError, ConfigError
        The labels or the grid cannot be used.
    """
    start = time.perf_counter()
    families = list(options.families) or default_families()
    families.sort(key=lambda family: find_head(family.head).cost)
    all_judged = [_Judged(feature_set, families, options, store) for feature_set in features]
    left_out = sorted({name for judged in all_judged for name in judged.left_out})
    n_candidates = sum(judged.n_candidates for judged in all_judged)
    if not n_candidates:
        raise ConfigError(_nothing_to_do(left_out))
    if observer:
        observer.begin(n_candidates)
    board: list[tuple[Candidate, _Judged]] = []
    for judged in all_judged:
        for candidate in judged.candidates():
            board.append((candidate, judged))
            if observer:
                observer.advance(candidate)
    metric = find_metric(options.metric)
    board.sort(key=lambda row: metric.rank(row[0].value(metric.name)))
    winner, test = board[0][1].winner(board[0][0], command)
    candidates = tuple(candidate for candidate, _ in board)
    not_kept = next((j.results.refusal for _, j in board if j.results.refusal), "")
    seconds = time.perf_counter() - start
    return SweepReport(options, candidates, winner, test, seconds, not_kept, tuple(left_out))


def _nothing_to_do(left_out: Sequence[str]) -> str:
    if not left_out:
        return "there is nothing to sweep: no features or no heads were named"
    return (
        f"there is nothing to sweep: {', '.join(left_out)} must have all features in memory, which "
        f"--memory does not allow. These heads train from disk: {able_from_disk()}."
    )


@dataclass
class _Judged:
    """One set of features in a sweep, and what it is tried with."""

    features: FeatureSet
    families: Sequence[Family]
    options: SweepOptions
    store: FeatureStore
    best: tuple[tuple[bool, float], int, Any] | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        state = self.options.random_state
        self.split: Split = split_features(self.features, state)
        self.folds: list[Fold] = make_folds(self.features, self.split, self.options.cv, state)
        self.results = ResultStore(self.store, self.features, self.options.scheme)
        self._data: dict[int, FoldData] = {}
        self.left_out: list[str] = []
        if self._stays_on_disk():
            able = [family for family in self.families if find_head(family.head).trains_from_disk]
            self.left_out = [family.head for family in self.families if family not in able]
            self.families = able

    @property
    def n_candidates(self) -> int:
        """How many configurations there are."""
        return sum(len(family.params) for family in self.families)

    def _stays_on_disk(self) -> bool:
        if self.options.memory is None:
            return False
        n_samples = len(self.split.train) + len(self.split.val)
        n_classes = len(self.features.class_names)
        return stays_on_disk(self.features.X, n_samples, n_classes, self.options.memory)

    def candidates(self) -> Iterator[Candidate]:
        for family in self.families:
            missing = []
            for params in family.params:
                found = self.results.get(family.head, dict(params))
                if found is None:
                    missing.append(params)
                else:
                    yield self._candidate(dict(params), found, True)
            if missing:
                yield from self._measure(Family(family.head, tuple(missing)))

    def winner(self, candidate: Candidate, command: str) -> tuple[Model, Scores | None]:
        """Return the model of ``candidate`` and its scores on the test rows, looked at just now."""
        scores, features = candidate.scores, self.features
        head = self._head_of(candidate)
        digest = features.manifest.data_digest
        model = Model(features.spec, features.class_names, scores.head, head, data_digest=digest)
        test = None
        if len(self.split.test):
            test = score_split(model, features, self.split.test, "test", scores.fit_seconds)
        kept = tuple(s.to_dict() for s in (scores, test) if s)
        made, split = origin(command, features.name), self.split.to_dict()
        return replace(model, scores=kept, split=split, origin=made), test

    def _measure(self, family: Family) -> Iterator[Candidate]:
        measured: list[list[Measured]] = [[] for _ in family.params]
        class_names = self.features.class_names
        last = len(self.folds) - 1
        for number in range(len(self.folds)):
            data = self._fold_data(number, family.head)
            state = self.options.random_state
            for fitted, part in measure_family(family, data, class_names, state):
                params = dict(family.params[fitted.place])
                parts = measured[fitted.place]
                parts.append(part)
                if number == last:
                    result = mean_over_folds(parts)
                    self.results.put(family.head, params, result)
                    candidate = self._candidate(params, result, False)
                    self._keep_best(candidate, fitted.head)
                    yield candidate

    def _fold_data(self, number: int, head: str) -> FoldData:
        if number not in self._data:
            memory = self.options.memory
            self._data = {number: FoldData.read(self.features, self.folds[number], head, memory)}
        return self._data[number]

    def _keep_best(self, candidate: Candidate, head: Any) -> None:
        rank = find_metric(self.options.metric).rank(candidate.value(self.options.metric))
        if self.best is None or rank < self.best[0]:
            self.best = (rank, id(candidate.measured), head)

    def _head_of(self, candidate: Candidate) -> Any:
        if not self.options.cv and self.best and self.best[1] == id(candidate.measured):
            return self.best[2]
        state = self.options.random_state
        head = seeded_head(candidate.scores.head, candidate.params, state)
        split = self.split
        if self.options.cv:
            rows = np.sort(np.concatenate([split.train, split.val]))
            split = replace(split, train=rows, val=rows[:0])
        name, memory = candidate.scores.head, self.options.memory
        fit_head(head, self.features, split, HeadOptions(name, memory=memory))
        return head

    def _candidate(self, params: dict[str, Any], result: Measured, is_stored: bool) -> Candidate:
        spec = self.features.spec
        return Candidate(self.features.name, spec.backbone, spec.layer, params, result, is_stored)
