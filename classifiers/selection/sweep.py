"""Sweeping many heads over cached features: one leaderboard, one winner."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

from ...cache import FeatureSet, FeatureStore, Scores
from ...cache.errors import ConfigError, TrainingDataError
from ...extractor.run_options import Observer, Silence
from ..heads.registry import find_head
from ..models.model import Model
from .configurations import Configuration
from .feature_sweep import BALANCED_METRIC, Candidate, Failure, FeatureSweep
from .grid import default_families
from .memory import able_from_disk
from .metrics import DEFAULT_METRIC, METRICS, Metric
from .splitting.preparation import Prepared
from .sweep_options import AUTO, SweepOptions


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
    parts = [FeatureSweep(feature_set, configurations, options, store) for feature_set in features]
    left_out = sorted({name for part in parts for name in part.left_out})
    n_candidates = sum(len(part.configurations) for part in parts)
    if not n_candidates:
        raise ConfigError(_nothing_to_do(left_out))
    metric, metric_notes = _choose_metric(options.metric, parts)
    notes = (*dict.fromkeys(n for part in parts for n in part.prepared.notes), *metric_notes)
    for note in notes:
        observer.say(note)
    observer.begin(n_candidates, "sweeping")
    board: list[tuple[Any, Candidate, FeatureSweep]] = []
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


def _choose_metric(asked: str, parts: Sequence[FeatureSweep]) -> tuple[Metric, list[str]]:
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
