"""One leaderboard of all that was ever measured on a source."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ...cache import AnySpec, FeatureStore, Result, Scores
from ...cache.errors import (
    CacheFormatError,
    CacheWriteError,
    ConfigError,
    FeaturesNotFoundError,
)
from ...cache.records.run_record import BASELINE
from ...extractor.run_options import LogObserver, Observer
from ..selection.metrics import (
    Metric,
    always,
    bootstrap_draws,
    bootstrap_interval,
    measure,
)
from ..selection.metrics.of_class import without_costs
from .source_results import Cost, SourceResults, describe_params

TEST, VALIDATION = "test", "val"
WORDS = {TEST: "test rows", VALIDATION: "validation rows"}


@dataclass(frozen=True)
class RankedResult:
    """A line of a leaderboard.

    Attributes
    ----------
    result : Result
    scores : Scores
        On the rows of the leaderboard.
    params : str
        As people read them.
    cost : Cost
    spec : FeatureSpec, JoinedSpec or None
        Of the features; None where they are gone.
    """

    result: Result
    scores: Scores
    params: str
    cost: Cost
    spec: AnySpec | None = None

    def value(self, metric: Metric) -> float | None:
        """Return a metric; None where it is undefined."""
        return self.scores.metrics.get(metric.name)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types."""
        result = self.result
        return {
            "id": result.id,
            "name": result.name,
            "tag": dict(result.tag),
            "kind": result.kind,
            "features": result.features,
            "backbone": result.backbone,
            "layer": result.layer,
            "head": result.head,
            "parameters": self.params,
            "params": dict(result.params),
            "views": dict(result.views),
            "split": self.scores.split,
            "metrics": dict(self.scores.metrics),
            "intervals": {name: list(i) for name, i in self.scores.intervals.items()},
            "undefined": dict(self.scores.undefined),
            "rarest": self.scores.to_dict()["rarest"],
            **vars(self.cost),
            "converged": not result.convergence_note,
            "has_predictions": self.scores.split in result.rows,
        }


@dataclass(frozen=True)
class Board:
    """Results that were measured on the same rows, best first.

    Attributes
    ----------
    split : str
        ``val``, ``test`` or ``cv5``.
    rows : str
        The rows' name; empty where an earlier featx did not keep it.
    n_rows : int
    entries : tuple of RankedResult
    baseline : Scores or None
        Of always saying the rows' most frequent class; None where the rows are not kept.
    """

    split: str
    rows: str
    n_rows: int
    entries: tuple[RankedResult, ...]
    baseline: Scores | None = None

    @property
    def title(self) -> str:
        """Which rows these are, for people."""
        what = WORDS.get(self.split, f"rows, over {self.split.removeprefix('cv')} folds")
        earlier = "" if self.rows else ", by an earlier featx, which did not keep which"
        return f"{self.n_rows:,} {what}{earlier}"


def leaderboards(
    source: SourceResults,
    metric: Metric,
    split: str = VALIDATION,
    observer: Observer | None = None,
) -> list[Board]:
    """Rank all results of a source; those on other rows apart.

    Parameters
    ----------
    source : SourceResults
    metric : Metric
        What ranks. Where it has no interval in closed form, 1,000 bootstrap draws give it; the
        interval is kept with the result.
    split : str
        ``val``, which takes in folds, or ``test``.
    observer : Observer, optional
        Counts the intervals that are computed.

    Raises
    ------
    ConfigError
        Nothing was measured on the split.
    """
    if split not in WORDS:
        raise ConfigError(f"--split takes val or test, got {split!r}")
    groups: dict[tuple[str, str, int], list[RankedResult]] = {}
    for result in source.results:
        for name, scores in result.scores.items():
            if (name == TEST) == (split == TEST):
                rows = result.rows.get(name, "")
                params, spec = describe_params(result), source.specs.get(result.features)
                entry = RankedResult(result, scores, params, source.cost(result), spec)
                groups.setdefault((name, rows, scores.n_samples), []).append(entry)
    if not groups:
        raise ConfigError(_nothing(source, split))
    entries = [entry for group in groups.values() for entry in group]
    complete = _completed(source, entries, metric, observer or LogObserver())
    boards = []
    for (name, rows, n_rows), group in groups.items():
        ranked = [complete[id(entry)] for entry in group]
        ranked.sort(key=lambda entry: metric.rank(entry.value(metric)))
        baseline = _baseline(source, ranked, name, metric)
        boards.append(Board(name, rows, n_rows, tuple(ranked), baseline))
    return sorted(boards, key=lambda board: -len(board.entries))


def _baseline(
    source: SourceResults, entries: Sequence[RankedResult], split: str, metric: Metric
) -> Scores | None:
    """Measure always saying the most frequent class of the rows of a leaderboard."""
    rows = next(filter(None, (source.judged_rows(e.result, split) for e in entries)), None)
    if rows is None:
        return None
    label = int(np.bincount(rows.y).argmax())
    return always(rows.y, rows.class_names, label, split, [metric])


def _nothing(source: SourceResults, split: str) -> str:
    if not source.results:
        return (
            "nothing has been measured on this source yet: run `featx sweep`, `featx fit` or "
            "`featx baseline` first"
        )
    return (
        f"nothing has been measured on {WORDS[split]} of this source. Networks, fitted heads and "
        "winners of sweeps are measured on test rows, as far as the source has some"
    )


def _completed(
    source: SourceResults, entries: Sequence[RankedResult], metric: Metric, observer: Observer
) -> dict[int, RankedResult]:
    """Return the entries by identity, with the metric and its interval as far as they have one."""
    lacking = [e for e in entries if _lacks(e, metric)]
    done = {id(entry): entry for entry in entries}
    if lacking:
        observer.begin(len(lacking), f"intervals of {metric.title}")
    for entry in lacking:
        done[id(entry)] = _with_interval(source, entry, metric)
        observer.advance(1)
    return done


def _lacks(entry: RankedResult, metric: Metric) -> bool:
    scores = entry.scores
    is_told = metric.name in scores.undefined or metric.name in scores.intervals
    return scores.split in entry.result.rows and not (is_told and scores.rarest)


def _with_interval(source: SourceResults, entry: RankedResult, metric: Metric) -> RankedResult:
    """Measure a metric and its interval on the predictions that are kept, and keep them."""
    result, scores = entry.result, entry.scores
    try:
        predictions = source.predictions(result, scores.split)
    except CacheFormatError:  # for `featx cache verify` to tell
        return entry
    if predictions is None:
        return entry
    y, probabilities, names = predictions.y, predictions.probabilities, predictions.rows.class_names
    metric.check(names)
    now = measure(y, probabilities, names, [metric])
    # The mean over folds is not the metric on all rows, and so has an interval of its own.
    metrics = {**now.metrics, **scores.metrics}
    intervals = {**now.intervals, **scores.intervals}
    if metric.name in metrics and metric.name not in intervals:
        draws = bootstrap_draws([metric], y, probabilities, class_names=names)
        interval = bootstrap_interval(draws[metric.name])
        intervals |= {metric.name: interval} if interval else {}
    scores = replace(
        scores,
        metrics=metrics,
        intervals=intervals,
        undefined={**now.undefined, **scores.undefined},
        rarest=now.rarest,
    )
    result = replace(result, scores={**result.scores, scores.split: without_costs(scores)})
    with suppress(CacheWriteError):  # of a read-only cache the next call computes it again
        source.kept.put(result, {})
    return replace(entry, result=result, scores=scores)


def results_of(store: FeatureStore, name: str | None = None) -> SourceResults:
    """Return the results on all features of the source that ``name`` names, by default the newest.

    Where nothing was extracted but the pixels of baselines, these are the newest.

    Raises
    ------
    FeaturesNotFoundError
        Nothing answers to the name.
    """
    try:
        stored = store.find_parts(name)[0]
    except FeaturesNotFoundError:
        baselines = [s for s in store.list_features() if s.record.kind == BASELINE]
        if name is not None or not baselines:
            raise
        stored = baselines[0]
    return SourceResults(store, stored.record.manifest)
