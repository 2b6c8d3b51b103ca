"""Sweeping many heads over cached features: one leaderboard, one winner."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any, Protocol

from ..cache import FeatureSet, Scores
from ..cache.errors import ConfigError
from ..cache.suggest import did_you_mean
from .fit import fit_head, origin, score_split
from .heads.table import HEADS, find_head, make_head
from .model import Model
from .splits import Split, split_features

METRICS = ("accuracy", "f1", "auc")


@dataclass(frozen=True)
class Candidate:
    """One head with its parameters on one set of features, measured on validation."""

    features: str
    backbone: str
    scores: Scores

    def value(self, metric: str) -> float:
        """Return a metric; 0 where it is undefined."""
        return self.scores.metrics.get(metric, 0.0)


@dataclass(frozen=True)
class SweepReport:
    """The leaderboard, best first, and the winner measured once on the test split."""

    metric: str
    candidates: tuple[Candidate, ...]
    winner: Model
    test: Scores | None
    seconds: float


class SweepObserver(Protocol):
    """Hears how far a sweep is."""

    def begin(self, n_candidates: int) -> None:
        """``n_candidates`` will be fitted."""
        ...

    def advance(self, candidate: Candidate) -> None:
        """One more is measured."""
        ...


def sweep(
    features: Sequence[FeatureSet],
    heads: Sequence[str] = (),
    metric: str = "accuracy",
    observer: SweepObserver | None = None,
    command: str = "",
) -> SweepReport:
    """Fit every head of the grid on every set of features; measure all on validation.

    The test split is looked at once, by the winner.

    Parameters
    ----------
    features : sequence of FeatureSet
    heads : sequence of str
        Names of heads; empty for all.
    metric : str
        ``accuracy``, ``f1`` or ``auc``.
    observer : SweepObserver, optional
    command : str
        Kept in the model as its origin.

    Raises
    ------
    UnknownHeadError, TrainingDataError, ConfigError
        A head, the labels or the metric cannot be used.
    """
    if metric not in METRICS:
        raise ConfigError(f"unknown metric {metric!r}. {did_you_mean(metric, METRICS)}")
    start = time.perf_counter()
    grid = list(_grid(heads))
    if observer:
        observer.begin(len(grid) * len(features))
    board: list[Candidate] = []
    best: _Best | None = None
    for feature_set in features:
        split = split_features(feature_set)
        for name, params in grid:
            candidate, model = _try(feature_set, split, name, params)
            board.append(candidate)
            if best is None or candidate.value(metric) > best.candidate.value(metric):
                best = _Best(candidate, model, feature_set, split)
            if observer:
                observer.advance(candidate)
    if best is None:
        raise ConfigError("there is nothing to sweep: no features or no heads were named")
    board.sort(key=lambda candidate: -candidate.value(metric))
    winner, test = best.judge(command)
    return SweepReport(metric, tuple(board), winner, test, time.perf_counter() - start)


@dataclass(frozen=True)
class _Best:
    candidate: Candidate
    model: Model
    features: FeatureSet
    split: Split

    def judge(self, command: str) -> tuple[Model, Scores | None]:
        """Measure the winner on the test split, for the first and only time."""
        scores, test = self.candidate.scores, None
        if len(self.split.test):
            rows = self.split.test
            test = score_split(self.model, self.features, rows, "test", scores.fit_seconds)
        kept = tuple(s.to_dict() for s in (scores, test) if s)
        made = origin(command, self.features.name)
        return replace(self.model, scores=kept, origin=made), test


def _grid(heads: Sequence[str]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for name in heads or HEADS:
        grid = find_head(name).grid
        for values in product(*grid.values()):
            yield name, dict(zip(grid, values, strict=True))


def _try(
    features: FeatureSet, split: Split, name: str, params: Mapping[str, Any]
) -> tuple[Candidate, Model]:
    head = make_head(name, **params)
    start = time.perf_counter()
    fit_head(head, features, split)
    seconds = time.perf_counter() - start
    digest = features.manifest.data_digest
    model = Model(features.spec, features.class_names, name, head, data_digest=digest)
    scores = score_split(model, features, split.val, "val", seconds)
    return Candidate(features.name, features.spec.backbone, scores), model
