"""What a sweep does with one set of features: it measures every configuration on its folds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...cache import AnySpec, FeatureSet, FeatureStore, Predictions, Scores
from ...cache.errors import ConfigError
from ...extractor.run_options import Observer
from ..heads.registry import find_head
from ..models.model import Model
from ..models.novelty import Novelty
from ..models.split_rows import SplitRows, shortened
from .configurations import Configuration, Fitting, Outcome, outcomes
from .fit import (
    HeadOptions,
    baseline,
    fit_head,
    judged_rows,
    predict_rows,
    score_split,
    seeded_head,
    unmeasured,
)
from .folds import FoldReader, make_folds
from .memory import least_memory
from .metrics import METRICS, Metric
from .results import FeatureResults, Measured, mean_over_folds, with_pooled
from .splitting.preparation import prepare
from .sweep_options import SweepOptions


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
    spec : FeatureSpec or JoinedSpec
        Of the features.
    """

    features: str
    backbone: str
    layer: str
    params: dict[str, Any]
    measured: Measured
    is_stored: bool
    spec: AnySpec

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


def _few(names: Sequence[str]) -> str:
    return f"{', '.join(names[:3])}{', …' * (len(names) > 3)}"


class FeatureSweep:
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
        self.prepared = prepare(
            features, options.seed_of_split, options.drop_near_duplicates, bool(cv)
        )
        split = self.prepared.split
        folds = make_folds(features, split, cv, state)
        self.reader = FoldReader(features, folds, split.units, options.memory)
        self.results = FeatureResults(store, features, split, {"cv": cv, "random_state": state})
        self._rows = np.sort(np.concatenate([fold.held_out for fold in folds]))
        self._judged_rows = judged_rows(features, self._rows)
        self.configurations, self.left_out = list(configurations), list[str]()
        if self.reader.is_on_disk:
            able = [c for c in configurations if self._fits(c)]
            self.left_out = [c.head for c in configurations if c not in able]
            self.configurations = able
        self.failures: list[Failure] = []
        self._best: tuple[Any, Measured, Any] | None = None

    def _fits(self, configuration: Configuration) -> bool:
        """Say whether a head trains from features on disk, within the memory that is allowed."""
        if not find_head(configuration.head).trains_from_disk:
            return False
        head = seeded_head(configuration.head, configuration.params, self.options.random_state)
        width = head.matrix_width(int(self.features.X.shape[1]))
        least = least_memory(self.reader.n_rows, width, len(self.features.class_names))
        return self.reader.memory is None or least <= self.reader.memory

    @property
    def y_seen(self) -> NDArray[np.int64]:
        """The classes of the training and validation rows."""
        y: NDArray[np.int64] = self.features.y[self.prepared.split.merged().train]
        return y

    def check_same_rows(self, other: FeatureSweep) -> None:
        """Refuse to rank features beside others that are judged by other rows or classes.

        Raises
        ------
        ConfigError
            Says how many rows they share.
        """
        rows, others = self._judged_rows, other._judged_rows
        if rows.name == others.name:
            return
        names = f"{self.features.name} and {other.features.name}"
        if rows.class_names != others.class_names:
            raise ConfigError(
                f"{names} have other classes ({_few(rows.class_names)}; {_few(others.class_names)})"
                ", so they are not ranked together: sweep each by itself"
            )
        shared = len(np.intersect1d(shortened(rows.digests), shortened(others.digests)))
        raise ConfigError(
            f"{names} are judged by other rows ({len(rows):,} and {len(others):,}, of which they "
            f"share {shared:,}), so they are not ranked together: a difference could come from the "
            "rows. Extract both from one source, as it is now, or sweep each by itself"
        )

    def undefined(self, metric: Metric) -> str:
        """Say why a metric is undefined on the rows of a fold that judge; empty where it is not."""
        y, names = self.features.y, self.features.class_names
        if metric.name not in METRICS:
            return metric.undefined(y[self._rows], names)
        folds = self.reader.folds
        return next(filter(None, (metric.undefined(y[f.held_out], names) for f in folds)), "")

    def candidates(self, metric: Metric, observer: Observer) -> Iterator[tuple[int, Candidate]]:
        """Yield every configuration that can be fitted, and its index, as it is measured."""
        missing = []
        for configuration in self.configurations:
            stored = self.results.get(configuration.head, dict(configuration.params), metric)
            if stored is None or not stored.tells(metric.name):
                missing.append(configuration)
                continue
            yield configuration.index, self._candidate(configuration, stored, True)
            observer.advance(1)
        for configuration, measured, probabilities, head in self._measure(missing, observer):
            predictions = Predictions(self._judged_rows, probabilities)
            scores = with_pooled(measured.scores, predictions, metric)
            measured = replace(measured, scores=scores)
            self.results.put(configuration.params, measured, {scores.split: predictions})
            rank = metric.rank(measured.scores.metrics.get(metric.name)), configuration.index
            if self._best is None or rank < self._best[0]:
                self._best = rank, measured, head
            yield configuration.index, self._candidate(configuration, measured, False)
            observer.advance(1)

    def _measure(
        self, configurations: Sequence[Configuration], observer: Observer
    ) -> Iterator[tuple[Configuration, Measured, NDArray[np.float32], Any]]:
        """Yield configurations as their last fold is measured, with the head of a single fold.

        The probabilities are those of all held-out rows, each given by the fold that held it out.
        """
        n_folds = len(self.reader.folds)
        fitting = Fitting(self.features.class_names, self.options.random_state, n_folds == 1)
        by_configuration: dict[int, list[Outcome]] = {}
        for outcome in outcomes(configurations, self.reader, fitting):
            configuration = outcome.configuration
            done = by_configuration.setdefault(configuration.index, [])
            done.append(outcome)
            if len(done) < n_folds:
                continue
            del by_configuration[configuration.index]  # with its head
            problem = next((o.problem for o in done if o.problem), "")
            if problem:
                self.failures.append(Failure(self.features.name, str(configuration), problem))
                observer.advance(1)
                continue
            done.sort(key=lambda o: o.fold)
            folds = [o.measured for o in done if o.measured]
            yield configuration, mean_over_folds(folds), self._pooled(done), outcome.head

    def _pooled(self, done: Sequence[Outcome]) -> NDArray[np.float32]:
        """Return the probabilities of the held-out rows of all folds, in order of the rows."""
        held_out = np.concatenate([self.reader.folds[o.fold].held_out for o in done])
        parts = [o.probabilities for o in done if o.probabilities is not None]
        return np.concatenate(parts)[np.argsort(held_out)]

    def winner(
        self, candidate: Candidate, metric: Metric, command: str
    ) -> tuple[Model, Scores | None]:
        """Return the model of ``candidate`` and its scores on the test rows, looked at just now."""
        scores, features, split = candidate.scores, self.features, self.prepared.split
        head = self._head_of(candidate)
        model = unmeasured(features, split, scores.head, head, command)
        test = None
        if len(split.test):
            predictions = predict_rows(model, features, split.test)
            test = score_split(model, predictions, "test", scores.fit_seconds, [metric])
            self.results.put(candidate.params, candidate.measured, {"test": predictions}, [test])
        kept = tuple(s.to_dict() for s in (scores, test) if s)
        result_id = self.results.id_of(scores.head, candidate.params)
        made = {**model.origin, "result": result_id}
        learned = split.merged() if self.options.cv else split
        novelty = Novelty.fit(features.X, learned.train, learned.val)
        rows = SplitRows.of(learned)
        return replace(model, rows=rows, novelty=novelty, scores=kept, origin=made), test

    def baseline(self, metric: Metric) -> Scores:
        """Measure always saying the most frequent class, on the rows that judge."""
        split = self.prepared.split
        if not self.options.cv:
            return baseline(self.features, split.train, split.val, "val", [metric])
        rows = split.merged().train
        return baseline(self.features, rows, rows, f"cv{self.options.cv}", [metric])

    def _head_of(self, candidate: Candidate) -> Any:
        best = self._best
        if not self.options.cv and best and best[1] is candidate.measured and best[2] is not None:
            return best[2]
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
        return Candidate(name, spec.backbone, spec.layer, params, measured, is_stored, spec)
