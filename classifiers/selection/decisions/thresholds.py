"""Thresholds: how much each class's probability counts when a model decides.

A class has a factor; the class with the largest probability times factor is predicted. For two
classes that is a threshold: the second is predicted from f0 / (f0 + f1) on. Factors are chosen on
validation rows, as scikit-learn's ``TunedThresholdClassifierCV`` chooses one threshold; test rows
only show what they do.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....cache import FeatureStore
from ....cache.errors import ConfigError, TrainingDataError
from ...models.model import Model
from ..fit import predict_rows
from ..like import features_of, split_like
from ..metrics import FEW_ROWS

Factors = NDArray[np.float64]
ROUNDS = 5
CANDIDATES = 200
STEP = 1 + 1e-6
LARGEST = 1e12


@dataclass(frozen=True)
class ClassRates:
    """How often a class is found, and how often it is said wrongly.

    Attributes
    ----------
    name : str
    rows : int
    recall, false_alarm : float
        Shares of the class's rows that are found, and of other rows that are said to be of it.
    """

    name: str
    rows: int
    recall: float
    false_alarm: float


@dataclass(frozen=True)
class Thresholds:
    """A model with thresholds, and what they do.

    Attributes
    ----------
    model : Model
    before, after : mapping of str to tuple of ClassRates
        By split: by the most probable class, and by the thresholds.
    cost_before, cost_after : mapping of str to float
        Mean cost of a row by split, where costs were given.
    notes : tuple of str
        Of rows that are few, and of wishes that validation rows do not allow.
    """

    model: Model
    before: Mapping[str, tuple[ClassRates, ...]]
    after: Mapping[str, tuple[ClassRates, ...]]
    cost_before: Mapping[str, float]
    cost_after: Mapping[str, float]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Wish:
    """What thresholds are chosen by; one of three.

    Attributes
    ----------
    min_recall : mapping of int to float
        The least share of a class's rows that is found, by class.
    max_false_alarm : mapping of int to float
        The largest share of other rows that is said to be of a class, by class.
    any_false_alarm : float, optional
        The same for each class but the most frequent one of training.
    costs : ndarray (n_classes, n_classes), optional
        Of predicting a column's class for a row's.
    rule : str
        The wish as it was typed.
    """

    min_recall: Mapping[int, float] = field(default_factory=dict)
    max_false_alarm: Mapping[int, float] = field(default_factory=dict)
    any_false_alarm: float | None = None
    costs: NDArray[np.float64] | None = None
    rule: str = ""


def choose_thresholds(model: Model, wish: Wish, store: FeatureStore) -> Thresholds:
    """Choose factors on the validation rows of ``model``, and show what they do on test.

    Raises
    ------
    TrainingDataError
        The model has no validation rows that it was not trained on.
    ConfigError, FeaturesNotFoundError
        The rows of the model are not known, or gone.
    """
    features = features_of(model, store)
    split = split_like(model, features)
    if not len(split.val):
        raise TrainingDataError(
            "thresholds are chosen on validation rows, but the model has none that it was not "
            "trained on (a sweep with --cv trains on them): use featx fit, or sweep without --cv"
        )
    parts = {n: rows for n, rows in split.parts().items() if n != "train" and len(rows)}
    predictions = {name: predict_rows(model, features, rows) for name, rows in parts.items()}
    val = predictions["val"]
    if wish.any_false_alarm is not None:
        most_frequent = int(np.bincount(features.y[split.train]).argmax())
        labels = [c for c in range(len(model.class_names)) if c != most_frequent]
        wish = replace(wish, max_false_alarm=dict.fromkeys(labels, wish.any_false_alarm))
    factors = choose_factors(val.probabilities.astype(np.float64), val.y, wish)
    decision = {"factors": [float(f) for f in factors], "rule": wish.rule}
    decided = replace(model, decision=decision)
    before, after, cost_before, cost_after = {}, {}, {}, {}
    for name, rows in predictions.items():
        plain, weighed = rows.probabilities, decided.decisive(rows.probabilities)
        before[name] = class_rates(plain, rows.y, model.class_names)
        after[name] = class_rates(weighed, rows.y, model.class_names)
        if wish.costs is not None:
            cost_before[name], cost_after[name] = (
                float(wish.costs[rows.y, P.argmax(axis=1)].mean()) for P in (plain, weighed)
            )
    notes = _notes(wish, after["val"])
    return Thresholds(decided, before, after, cost_before, cost_after, notes)


def choose_factors(P: NDArray[np.float64], y: NDArray[np.int64], wish: Wish) -> Factors:
    """Return a factor above 0 for each class, the largest 1.

    Parameters
    ----------
    P : ndarray of float, shape (n_samples, n_classes)
    y : ndarray of int64, shape (n_samples,)
    wish : Wish
    """
    factors = np.ones(P.shape[1])
    chosen: list[tuple[int, Callable[[Factors, int], float]]] = []
    for label, share in wish.min_recall.items():
        chosen.append((label, _raiser(P, y, share)))
    for label, share in wish.max_false_alarm.items():
        chosen.append((label, _lowerer(P, y, share)))
    if wish.costs is not None:
        costs = wish.costs
        chosen = [(c, _cheapest(P, y, costs)) for c in range(P.shape[1])]
    for _ in range(ROUNDS):
        before = factors.copy()
        for label, choose in chosen:
            factors[label] = choose(factors, label)
        if (factors == before).all():
            break
    largest: float = factors.max()
    return np.asarray(factors / largest, np.float64)


def _needed(P: NDArray[np.float64], factors: Factors, label: int) -> NDArray[np.float64]:
    """Return the factor above which each row is said to be of ``label``, ``(n,)``."""
    others = P * factors
    others[:, label] = 0
    smallest = np.finfo(np.float64).tiny
    needed = others.max(axis=1) / np.maximum(P[:, label], smallest)
    return np.asarray(np.minimum(needed, LARGEST), np.float64)


def _raiser(
    P: NDArray[np.float64], y: NDArray[np.int64], share: float
) -> Callable[[Factors, int], float]:
    def choose(factors: Factors, label: int) -> float:
        needed = np.sort(_needed(P[y == label], factors, label))
        if not len(needed) or share <= 0:
            return float(factors[label])
        least = needed[int(np.ceil(share * len(needed) - 1e-9)) - 1] * STEP
        return max(1.0, float(least))

    return choose


def _lowerer(
    P: NDArray[np.float64], y: NDArray[np.int64], share: float
) -> Callable[[Factors, int], float]:
    def choose(factors: Factors, label: int) -> float:
        needed = np.sort(_needed(P[y != label], factors, label))
        n_allowed = int(np.floor(share * len(needed) + 1e-9))
        if n_allowed >= len(needed):
            return float(factors[label])
        most = needed[n_allowed] / STEP
        return float(max(min(1.0, most), 1 / LARGEST))

    return choose


def _cheapest(
    P: NDArray[np.float64], y: NDArray[np.int64], costs: NDArray[np.float64]
) -> Callable[[Factors, int], float]:
    def choose(factors: Factors, label: int) -> float:
        needed = _needed(P, factors, label)
        borders = np.unique(np.quantile(needed, np.linspace(0, 1, CANDIDATES)))
        between = np.sqrt(borders[1:] * borders[:-1])
        candidates = np.concatenate([[factors[label]], between, [needed.max() * 2]])
        candidates = candidates[(candidates > 0) & np.isfinite(candidates)]
        others = P * factors
        others[:, label] = 0
        cost_of_others = costs[y, others.argmax(axis=1)]
        totals = [np.where(f > needed, costs[y, label], cost_of_others).sum() for f in candidates]
        return float(candidates[int(np.argmin(totals))])

    return choose


def class_rates(
    P: NDArray[Any], y: NDArray[np.int64], class_names: tuple[str, ...]
) -> tuple[ClassRates, ...]:
    """Return recall and rate of false alarms of each class; NaN where there are no such rows."""
    predicted = P.argmax(axis=1)
    rates = []
    for label, name in enumerate(class_names):
        is_said, is_true = predicted == label, y == label
        recall = float(is_said[is_true].mean()) if is_true.any() else float("nan")
        alarm = float(is_said[~is_true].mean()) if not is_true.all() else float("nan")
        rates.append(ClassRates(name, int(is_true.sum()), recall, alarm))
    return tuple(rates)


def _notes(wish: Wish, val: tuple[ClassRates, ...]) -> tuple[str, ...]:
    notes = []
    for label, share in wish.min_recall.items():
        rates = val[label]
        if not rates.rows:
            notes.append(f"{rates.name!r} has no validation rows: its threshold stays.")
        elif rates.recall < share:
            notes.append(f"{rates.name!r} is found in {rates.recall:.1%} of its validation rows.")
        if 0 < rates.rows < FEW_ROWS:
            notes.append(
                f"{rates.name!r} has {rates.rows} validation rows only: its threshold is a guess."
            )
    for label, share in wish.max_false_alarm.items():
        if val[label].false_alarm > share:
            notes.append(
                f"{val[label].name!r} is said wrongly of {val[label].false_alarm:.1%} of other "
                "validation rows."
            )
    return tuple(notes)


def check_wish(given: Mapping[str, Any]) -> None:
    """Refuse none or several of the three wishes; raises ConfigError."""
    names = [name for name, value in given.items() if value]
    if len(names) != 1:
        got = " and ".join(names) or "none"
        raise ConfigError(f"give one of {', '.join(given)}; got {got}")
