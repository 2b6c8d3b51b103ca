"""Configurations of heads: fitted on one fold, and measured on its held-out rows."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...cache import Scores
from ...cache.errors import FeatxError
from ..heads.joint_fit import families, fit_many, predict_many
from .decisions.class_values import class_weights_by_index
from .fit import seeded_head
from .folds import FoldData, FoldReader
from .grid import params_text
from .metrics import measure
from .results import Measured

# What data or parameters cause; other errors are faults of the program.
CANNOT_FIT = (FeatxError, ValueError, ArithmeticError)


@dataclass(frozen=True)
class Configuration:
    """One head with the parameters that a grid sets.

    Attributes
    ----------
    index : int
        Position in the sweep, cheap heads first.
    head : str
    params : mapping
    """

    index: int
    head: str
    params: Mapping[str, Any]

    def __str__(self) -> str:
        return " ".join([self.head, params_text(self.params)]).strip()


@dataclass(frozen=True)
class Outcome:
    """What came of one configuration on one fold.

    Attributes
    ----------
    configuration : Configuration
    fold : int
    measured : Measured, optional
    probabilities : ndarray of float32, shape (n_samples, n_classes), optional
        Of the held-out rows.
    head : Any
        The fitted head, where it was asked for.
    problem : str
        Why it could not be fitted.
    """

    configuration: Configuration
    fold: int
    measured: Measured | None = None
    probabilities: NDArray[np.float32] | None = None
    head: Any = None
    problem: str = ""


@dataclass(frozen=True)
class Fitting:
    """How configurations are fitted.

    Attributes
    ----------
    class_names : tuple of str
    random_state : int
    keeps_heads : bool
        Whether outcomes carry the fitted heads.
    """

    class_names: tuple[str, ...]
    random_state: int = 0
    keeps_heads: bool = True


def outcomes(
    configurations: Sequence[Configuration], reader: FoldReader, fitting: Fitting
) -> Iterator[Outcome]:
    """Fit every configuration on every fold, and yield what came of each as soon as it is there.

    Configurations that can share their work are fitted jointly; where rows stay on disk, each by
    itself: the memory is that of one. One group after the other is fitted, each on all cores,
    unless ``joblib.parallel_config`` names a backend and a number of jobs.

    Tasks for other machines carry no features, and bring no heads back: they read the cache there.
    """
    from joblib import Parallel

    try:
        parallel = Parallel(return_as="generator_unordered", prefer="threads")
    except ValueError:  # a backend that hands its results over at its end, as Ray's
        away = replace(fitting, keeps_heads=False)
        for result in Parallel()(_tasks(configurations, reader, away, reader.refer)):
            yield from result
        return
    results = parallel(_tasks(configurations, reader, fitting, reader.read))
    try:
        for result in results:
            yield from result
    finally:
        with warnings.catch_warnings():  # joblib warns of tasks that an interrupt cancels
            warnings.simplefilter("ignore")
            results.close()


def _tasks(
    configurations: Sequence[Configuration],
    reader: FoldReader,
    fitting: Fitting,
    data_of: Callable[[int], FoldData],
) -> Iterator[Any]:
    """Yield one task for each group and fold; a fold is read for all groups of a head."""
    from joblib import delayed

    for _, members in groupby(configurations, key=lambda configuration: configuration.head):
        groups = joint_groups(list(members), fitting.random_state, not reader.is_on_disk)
        for fold in range(len(reader.folds)):
            for group in groups:
                yield delayed(fit_group)(group, fold, data_of(fold), fitting)


def joint_groups(
    configurations: Sequence[Configuration], random_state: int, is_joint: bool
) -> list[list[Configuration]]:
    """Group configurations that are fitted jointly."""
    if not is_joint:
        return [[configuration] for configuration in configurations]
    heads = [seeded_head(c.head, c.params, random_state) for c in configurations]
    by_head = {id(head): c for head, c in zip(heads, configurations, strict=True)}
    return [[by_head[id(head)] for head in group] for group in families(heads)]


def fit_group(
    group: Sequence[Configuration], fold: int, data: FoldData, fitting: Fitting
) -> list[Outcome]:
    """Fit configurations jointly on one fold, and measure them.

    If one of them cannot be fitted, each is fitted by itself, and the outcome of those that cannot
    names the problem. Other errors carry the configurations' names as a note.
    """
    data = data.in_memory()
    try:
        return list(_fit_jointly(group, fold, data, fitting))
    except CANNOT_FIT as error:
        if len(group) == 1:
            return [Outcome(group[0], fold, problem=str(error))]
        alone = [fit_group([configuration], fold, data, fitting) for configuration in group]
        return [outcome for outcomes in alone for outcome in outcomes]
    except Exception as error:
        error.add_note(f"It happened while fitting {_joined(group)}.")
        raise


def _fit_jointly(
    group: Sequence[Configuration], fold: int, data: FoldData, fitting: Fitting
) -> Iterator[Outcome]:
    heads = [seeded_head(c.head, c.params, fitting.random_state) for c in group]
    start = time.perf_counter()
    with class_weights_by_index(heads, fitting.class_names, data.y):
        fit_many(heads, data.X, data.y, data.weights, groups=data.groups, widths=data.widths)
    seconds = (time.perf_counter() - start) / len(heads)
    for configuration, head, (measured, probabilities) in zip(
        group, heads, _measure(group[0].head, heads, data, fitting, seconds), strict=True
    ):
        kept = head if fitting.keeps_heads else None
        yield Outcome(configuration, fold, measured, probabilities, kept)


def _measure(
    name: str, heads: Sequence[Any], data: FoldData, fitting: Fitting, fit_seconds: float
) -> Iterator[tuple[Measured, NDArray[np.float32]]]:
    """Measure heads that were fitted jointly on the held-out rows of their fold."""
    n_rows = len(data.y_held_out)
    start = time.perf_counter()
    predictions = predict_many(heads, data.X_held_out) if n_rows else []
    seconds = (time.perf_counter() - start) / len(heads)
    for head, predicted in zip(heads, predictions, strict=True):
        probabilities = np.zeros((n_rows, len(fitting.class_names)), np.float32)
        probabilities[:, head.classes_] = predicted
        scores = Scores(
            head=name,
            split="val",
            params=head.get_json_params(),
            n_samples=n_rows,
            fit_seconds=fit_seconds,
            **vars(measure(data.y_held_out, probabilities, fitting.class_names)),
        )
        yield Measured.of(head, scores, n_rows / max(seconds, 1e-9)), probabilities


def _joined(group: Iterable[Configuration]) -> str:
    return ", ".join(map(str, group))
