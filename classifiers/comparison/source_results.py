"""All results of a cache, and which of them a word means."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from ...cache import (
    AnySpec,
    FeatureSpec,
    FeatureStore,
    JudgedRows,
    Predictions,
    Result,
    ResultStore,
    joined,
)
from ...cache.errors import CacheFormatError, ConfigError, FeatxError
from ...cache.joined.names import PLUS, part_names
from ...cache.records.run_record import RunRecord
from ...cache.suggest import did_you_mean
from ...extractor.backbones import find_backbone
from ..heads.registry import STORED
from ..models.model_file import load_model
from ..selection.grid import params_text
from ..selection.metrics import (
    AUTO,
    DEFAULT_METRIC,
    METRICS,
    Metric,
    find_metric,
    metric_for,
)
from ..selection.results import with_pooled

HIDDEN_PARAMS = ("random_state", "network")


@dataclass(frozen=True)
class Cost:
    """What a result costs: to make its features, to fit it, and to use it.

    Attributes
    ----------
    extract_seconds : float or None
        None where nobody took the time.
    fit_seconds : float
    n_parameters : int or None
        Of head and backbone; None where the backbone's are not known.
    n_trained : int
        Of them, those that were trained.
    multiply_adds : int or None
        For one image, by backbone and head.
    model_bytes : int
        Of the head or network.
    rows_per_second : float
        Of the head or network, from features to probabilities.
    """

    extract_seconds: float | None
    fit_seconds: float
    n_parameters: int | None
    n_trained: int
    multiply_adds: int | None
    model_bytes: int
    rows_per_second: float


class SourceResults:
    """The results on all features of one source, or of all sources.

    Parameters
    ----------
    store : FeatureStore
    manifest : str, optional
        The name of the source's snapshot.

    Attributes
    ----------
    results : list of Result
        Newest first.
    """

    def __init__(self, store: FeatureStore, manifest: str | None = None) -> None:
        self.store = store
        self.kept = ResultStore(store.layout)
        self.results = self.kept.read(manifest)

    def predictions(self, result: Result, split: str) -> Predictions | None:
        """Return what a result gave to the rows of a split; None where it is not kept."""
        return self.kept.predictions(result, split)

    def judged_rows(self, result: Result, split: str) -> JudgedRows | None:
        """Return the rows that a result was measured on; None where they are not kept."""
        try:
            predictions = self.predictions(result, split)
        except CacheFormatError:  # for `featx cache verify` to tell
            return None
        return None if predictions is None else predictions.rows

    def choose_metric(self, name: str, *words: str) -> tuple[Metric, str]:
        """Return the metric of a name, or of ``auto`` by the newest rows that judged.

        They are those of the result that the first of ``words`` means, if there is one.

        The text says what to say of the choice, and is empty where there is nothing to say.

        Raises
        ------
        ConfigError
            There is no such metric, or it names a class that the newest rows do not know.
        """
        results = [self.find(words[0], "val", METRICS[DEFAULT_METRIC])] if words else self.results
        kept = ((result, split) for result in results for split in result.rows)
        rows = next(filter(None, (self.judged_rows(*one) for one in kept)), None)
        if rows is None:
            return find_metric(DEFAULT_METRIC if name == AUTO else name), ""
        return metric_for(name, rows.y, rows.class_names)

    def find(self, word: str, split: str, metric: Metric) -> Result:
        """Return the result that a word means.

        It may be a model file, an id or the beginning of one, what the user called the model (the
        newest of that name), or the name of a head or network: of several that were measured on the
        split, the best one on validation.

        Raises
        ------
        ConfigError
            Nothing answers to it, or several results do.
        """
        if Path(word).is_file():
            return self._of_model(Path(word))
        exact = [r for r in self.results if word in (r.id, r.tag.get("name"))][:1]
        named = [r for r in self.results if r.name == word]
        if named and not exact:
            measured = [r for r in named if split in r.rows] or named
            return best_on_validation([with_metric(self.kept, r, metric) for r in measured], metric)
        matches = exact or [r for r in self.results if len(word) > 3 and r.id.startswith(word)]
        if len(matches) == 1:
            return matches[0]
        if matches:
            ids = ", ".join(r.id for r in matches[:5])
            raise ConfigError(f"{word!r} is ambiguous, type more of one of these: {ids}")
        if not self.results:
            raise ConfigError(
                f"the cache {self.store.root} holds no results to compare: run `featx sweep` or "
                "`featx fit` first, or name another cache with --cache"
            )
        names = {name for r in self.results for name in (r.name, r.id, r.tag.get("name")) if name}
        raise ConfigError(
            f"no model file, result or head is called {word!r}. {did_you_mean(word, names)} "
            "`featx results` lists all"
        )

    def _of_model(self, path: Path) -> Result:
        wanted = load_model(path).origin.get("result")
        for result in self.results:
            if result.id == wanted:
                return result
        raise ConfigError(
            f"the cache {self.store.root} holds no predictions of {path}: fit it again with this "
            "cache, or name the one that it was fitted with by --cache"
        )

    def cost(self, result: Result) -> Cost:
        """Return what a result costs."""
        network = self._networks.get(result.features, (None, None))
        n_parameters, multiply_adds = (
            None if one is None else one + trained
            for one, trained in zip(
                network, (result.n_parameters, result.multiply_adds), strict=True
            )
        )
        seconds = [run.extract_seconds for run in self._runs_of(result.features)]
        known = [one for one in seconds if one is not None]
        first = next(iter(result.scores.values()))
        return Cost(
            extract_seconds=max(known) if known and len(known) == len(seconds) else None,
            fit_seconds=first.fit_seconds,
            n_parameters=n_parameters,
            n_trained=result.n_parameters + result.n_tuned,
            multiply_adds=multiply_adds,
            model_bytes=result.model_bytes,
            rows_per_second=result.predict_rate,
        )

    @cached_property
    def _runs(self) -> dict[str, RunRecord]:
        return {stored.name: stored.record for stored in self.store.list_features()}

    def _runs_of(self, features: str) -> list[RunRecord]:
        """Return the runs that made features; joined ones often share one, and its seconds."""
        names = part_names(features)
        return [self._runs[name] for name in names if name in self._runs]

    @cached_property
    def specs(self) -> dict[str, AnySpec]:
        """The spec of each set of features of the cache, and of joined ones, by their name."""
        stored = {one.name: one.spec for one in self.store.list_features()}
        of_digits = {spec.digits: spec for spec in stored.values()}
        specs: dict[str, AnySpec] = dict(stored)
        for name in {result.features for result in self.results}:
            parts = [of_digits.get(digits) for digits in name.rpartition("@")[2].split(PLUS)]
            if len(parts) > 1 and None not in parts:
                specs[name] = joined([part for part in parts if part is not None])
        return specs

    @cached_property
    def _networks(self) -> dict[str, tuple[int | None, int | None]]:
        """Return parameters and multiply-adds of the backbone of each set of features."""
        return {name: _backbone_size(spec) for name, spec in self.specs.items()}


def _backbone_size(spec: AnySpec) -> tuple[int | None, int | None]:
    """Return parameters and multiply-adds for one image; None where they are not known.

    Sets of one backbone at one size come from one forward pass, of which the longest counts.
    """
    sizes: dict[tuple[str, tuple[int, int]], tuple[int, int]] = {}
    for part in spec.parts:
        n_parameters, multiply_adds = _size_of_set(part)
        key = part.backbone, part.image_size
        if n_parameters is not None and multiply_adds is not None:
            sizes[key] = max(sizes.get(key, (0, 0)), (n_parameters, multiply_adds))
    if len(sizes) < len({(part.backbone, part.image_size) for part in spec.parts}):
        return None, None
    return sum(size for size, _ in sizes.values()), sum(cost for _, cost in sizes.values())


def _size_of_set(spec: FeatureSpec) -> tuple[int | None, int | None]:
    try:
        record = find_backbone(spec.backbone)
    except FeatxError:
        return None, None
    if not record.has_weights:
        return 0, 0
    if spec.layer != record.layer or not record.n_params:
        return None, None
    scale = spec.image_size[0] * spec.image_size[1] / record.image_size**2
    return record.n_params, int(record.gmacs * 1e9 * scale)


def with_metric(store: ResultStore, result: Result, metric: Metric) -> Result:
    """Return a result with a metric that names a class or costs, of the predictions it kept."""
    if metric.name in METRICS:
        return result
    scores = dict(result.scores)
    for split, one in result.scores.items():
        kept = store.predictions(result, split)
        if kept is not None:
            scores[split] = with_pooled(one, kept, metric)
    return replace(result, scores=scores)


def best_on_validation(results: Sequence[Result], metric: Metric) -> Result:
    """Return the best result by a metric on validation, or over folds; of equals the newest."""

    def key(result: Result) -> tuple[bool, float]:
        judged = [scores for split, scores in result.scores.items() if split != "test"]
        return metric.rank(judged[0].metrics.get(metric.name) if judged else None)

    return min(results, key=key)


def describe_params(result: Result) -> str:
    """Return the parameters that a grid sets, or that differ from their defaults."""
    record = STORED.get(result.head)
    defaults = record.parameters() if record else {}
    grid = record.grid if record else {}
    shown = {
        name: value
        for name, value in result.params.items()
        if name not in HIDDEN_PARAMS and (name in grid or not _is_equal(value, defaults.get(name)))
    }
    return params_text(shown)


def _is_equal(value: Any, default: Any) -> bool:
    return json.dumps(value, default=str) == json.dumps(default, default=str)
