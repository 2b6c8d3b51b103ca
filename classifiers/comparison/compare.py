"""Whether models that were measured on the same rows really differ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...cache import Predictions, Result, Scores
from ...cache.errors import ConfigError
from ..selection.metrics import (
    Interval,
    Metric,
    always,
    bootstrap_draws,
    bootstrap_interval,
    measure,
)
from .leaderboard import TEST, VALIDATION
from .significance import DeLong, bootstrap_p_value, delong, holm, mcnemar
from .source_results import SourceResults


@dataclass(frozen=True)
class ComparedModel:
    """A model with its predictions on the rows of the comparison.

    Attributes
    ----------
    label : str
        What people call it here.
    result : Result
    predictions : Predictions
    value : float or None
        The metric; None where it is undefined.
    scores : Scores
        All metrics on the rows of the comparison.
    """

    label: str
    result: Result
    predictions: Predictions
    value: float | None
    scores: Scores

    @property
    def is_right(self) -> NDArray[np.bool_]:
        """Whether each row's most probable class is the true one, ``(n_samples,)``."""
        right: NDArray[np.bool_] = self.predicted == self.predictions.y
        return right

    @property
    def predicted(self) -> NDArray[np.int64]:
        """The most probable class of each row, ``(n_samples,)``."""
        best: NDArray[np.int64] = self.predictions.probabilities.argmax(axis=1)
        return best


@dataclass(frozen=True)
class Pair:
    """Two models that were compared.

    Attributes
    ----------
    a, b : str
        Their labels.
    difference : float or None
        Of the metric, ``b - a``; None where it is undefined for one of them.
    interval : (low, high) or None
        95 %, by paired bootstrap; of the area of two classes by DeLong.
    p_value : float or None
        Of "they are equal by the metric", two-sided: McNemar's exact test for accuracy, DeLong's
        for the area of two classes, the paired bootstrap for all others.
    test : str
        Which of them.
    adjusted : float or None
        The p value corrected for all pairs (Holm).
    mcnemar_p_value : float
    only_a, only_b : int
        Rows that only one of them gets right.
    delong : dict of str to DeLong
        For each class against the rest, as far as it is defined; of two classes, the second one.
    """

    a: str
    b: str
    difference: float | None
    interval: Interval | None
    p_value: float | None
    test: str
    adjusted: float | None
    mcnemar_p_value: float
    only_a: int
    only_b: int
    delong: dict[str, DeLong]


@dataclass(frozen=True)
class Comparison:
    """Models on the same rows, and every pair of them.

    Attributes
    ----------
    metric : Metric
    split : str
    models : tuple of ComparedModel
    baseline : Scores
        Of always saying the rows' most frequent class.
    pairs : tuple of Pair
    """

    metric: Metric
    split: str
    models: tuple[ComparedModel, ...]
    baseline: Scores
    pairs: tuple[Pair, ...]

    def disagreements(self) -> list[dict[str, Any]]:
        """Return the rows that some models get right and others do not.

        Returns
        -------
        list of dict
            The ``sample``, its ``class``, and what each model predicts, by its label.
        """
        right = np.stack([model.is_right for model in self.models])
        rows = self.models[0].predictions.rows
        names, predicted = rows.class_names, [model.predicted for model in self.models]
        return [
            {
                "sample": rows.sample_ids[row],
                "class": names[int(rows.y[row])],
                **{
                    model.label: names[int(best[row])]
                    for model, best in zip(self.models, predicted, strict=True)
                },
            }
            for row in np.flatnonzero(right.any(axis=0) & ~right.all(axis=0)).tolist()
        ]

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types."""
        return {
            "metric": self.metric.name,
            "higher_is_better": self.metric.higher_is_better,
            "split": self.split,
            "n_rows": len(self.models[0].predictions.rows),
            "models": [
                {
                    "label": m.label,
                    "id": m.result.id,
                    "features": m.result.features,
                    "params": dict(m.result.params),
                    "value": m.value,
                    "rarest": m.scores.to_dict()["rarest"],
                }
                for m in self.models
            ],
            "baseline": {
                "class": self.baseline.params["class"],
                "value": self.baseline.metrics.get(self.metric.name),
            },
            "pairs": [asdict(pair) for pair in self.pairs],
            "disagreements": self.disagreements(),
        }


def compare(
    source: SourceResults, words: Sequence[str], metric: Metric, split: str | None = None
) -> Comparison:
    """Compare two models or more on the rows that all of them were measured on.

    Parameters
    ----------
    source : SourceResults
    words : sequence of str
        Model files, ids or names of results; see ``SourceResults.find``.
    metric : Metric
    split : str, optional
        Default: test where all models were measured on it, else validation.

    Raises
    ------
    ConfigError
        Fewer than two models, one that is named twice, or models that were measured on other rows.
    """
    chosen = split or _common_split(source, words, metric)
    results = [source.find(word, chosen, metric) for word in words]
    if len({result.id for result in results}) < max(2, len(results)):
        raise ConfigError(
            "a comparison takes two different models or more, got "
            + ", ".join(f"{w} ({r.id})" for w, r in zip(words, results, strict=True))
        )
    labels = _labels(results)
    models = [
        _judged(source, result, label, chosen, metric)
        for result, label in zip(results, labels, strict=True)
    ]
    for model in models[1:]:
        _check_rows(models[0], model, chosen)
    draws = [_draws(metric, model) for model in models]
    pairs = [
        _pair(metric, models[i], models[j], draws[j] - draws[i])
        for i, j in combinations(range(len(models)), 2)
    ]
    rows = models[0].predictions.rows
    least = always(rows.y, rows.class_names, int(np.bincount(rows.y).argmax()), chosen, [metric])
    return Comparison(metric, chosen, tuple(models), least, tuple(_with_holm(pairs)))


def _common_split(source: SourceResults, words: Sequence[str], metric: Metric) -> str:
    results = [source.find(word, TEST, metric) for word in words]
    if all(TEST in result.rows for result in results):
        return TEST
    folds = next((s for s in results[0].rows if s not in (TEST, VALIDATION)), VALIDATION)
    return VALIDATION if VALIDATION in results[0].rows else folds


def _labels(results: Sequence[Result]) -> list[str]:
    """Return what the user called each model, or its head; ids where these are equal."""
    names = [result.tag.get("name") or result.name for result in results]
    return [
        name if names.count(name) == 1 else result.id
        for name, result in zip(names, results, strict=True)
    ]


def _judged(
    source: SourceResults, result: Result, label: str, split: str, metric: Metric
) -> ComparedModel:
    predictions = source.predictions(result, split)
    if predictions is None:
        kept = ", ".join(result.rows) or "no split"
        advice = ""
        if split == TEST:
            advice = ": of a sweep only the winner looks at test rows. Fit it, or take --split val"
        raise ConfigError(
            f"{result.id} has no predictions of the split {split}, but of {kept}{advice}"
        )
    rows = predictions.rows
    metric.check(rows.class_names)
    measures = measure(rows.y, predictions.probabilities, rows.class_names, [metric])
    value = measures.metrics.get(metric.name)
    scores = Scores(result.head, split, result.params, len(rows), **vars(measures))
    return ComparedModel(label, result, predictions, value, scores)


def _check_rows(one: ComparedModel, other: ComparedModel, split: str) -> None:
    """Refuse models that were measured on other rows.

    Raises
    ------
    ConfigError
        Says how many rows they share.
    """
    rows, others = one.predictions.rows, other.predictions.rows
    if rows.name == others.name:
        return
    if rows.class_names != others.class_names:
        raise ConfigError(
            f"{one.label} and {other.label} know other classes: {', '.join(rows.class_names[:5])} "
            f"and {', '.join(others.class_names[:5])}. Compare models of one source"
        )
    shared = len({d.tobytes() for d in rows.digests} & {d.tobytes() for d in others.digests})
    raise ConfigError(
        f"{one.label} was measured on {len(rows):,} {split} rows and {other.label} on "
        f"{len(others):,}, of which they share {shared:,}: a difference could come from the rows. "
        "Fit both on one source with the same --seed"
    )


def _draws(metric: Metric, model: ComparedModel) -> NDArray[np.float64]:
    if model.value is None:
        return np.full(1, np.nan)
    y, probabilities = model.predictions.y, model.predictions.probabilities
    names = model.predictions.rows.class_names
    return bootstrap_draws([metric], y, probabilities, class_names=names)[metric.name]


def _pair(metric: Metric, a: ComparedModel, b: ComparedModel, draws: NDArray[np.float64]) -> Pair:
    tested = mcnemar(a.is_right, b.is_right)
    areas = _delong(a, b)
    difference = interval = p_value = None
    test = ""
    if a.value is not None and b.value is not None:
        difference, interval = b.value - a.value, bootstrap_interval(draws)
        p_value, test = bootstrap_p_value(draws), "paired bootstrap"
        if metric.name == "accuracy":
            p_value, test = tested.p_value, "McNemar's exact test"
        elif metric.name == "auc" and len(a.predictions.rows.class_names) == 2 and areas:
            (area,) = areas.values()
            interval, p_value, test = area.interval, area.p_value, "DeLong's test"
    return Pair(
        a=a.label,
        b=b.label,
        difference=difference,
        interval=interval,
        p_value=p_value,
        test=test,
        adjusted=p_value,
        mcnemar_p_value=tested.p_value,
        only_a=tested.only_a,
        only_b=tested.only_b,
        delong=areas,
    )


def _delong(a: ComparedModel, b: ComparedModel) -> dict[str, DeLong]:
    """Test the area of each class against the rest; of two classes, that of the second."""
    y, names = a.predictions.y, a.predictions.rows.class_names
    labels = range(1, 2) if len(names) == 2 else range(len(names))
    areas = {
        names[label]: delong(
            y == label,
            a.predictions.probabilities[:, label].astype(np.float64),
            b.predictions.probabilities[:, label].astype(np.float64),
        )
        for label in labels
    }
    return {name: area for name, area in areas.items() if area is not None}


def _with_holm(pairs: Sequence[Pair]) -> list[Pair]:
    """Correct the p values for having tested all pairs."""
    tested = [pair for pair in pairs if pair.p_value is not None]
    adjusted = holm([pair.p_value or 0.0 for pair in tested])
    by_pair = {id(pair): value for pair, value in zip(tested, adjusted, strict=True)}
    return [replace(pair, adjusted=by_pair.get(id(pair))) for pair in pairs]
