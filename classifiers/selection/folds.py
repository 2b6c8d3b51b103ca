"""Measuring the configurations of a head: on one validation split, or over folds."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...cache import FeatureSet, Scores
from ...cache.errors import TrainingDataError
from ..heads.row_blocks import is_lazy
from ..heads.training_data import check_training_data
from .fit import seeded_head
from .grid import Family
from .memory import bounded_rows
from .metrics import Measures, measure
from .results import Measured
from .splits import Split, row_units


@dataclass(frozen=True)
class Fold:
    """Rows to learn from and rows to be judged by."""

    train: NDArray[np.int64]
    held_out: NDArray[np.int64]


def make_folds(features: FeatureSet, split: Split, cv: int, random_state: int) -> list[Fold]:
    """Return the folds of a sweep; the test rows are in none of them.

    Parameters
    ----------
    features : FeatureSet
    split : Split
    cv : int
        Number of folds over train and validation together, stratified, whole groups and sets of
        equal images at a time; 0 stands for the one validation split.
    random_state : int

    Raises
    ------
    TrainingDataError
        A class has fewer samples than there are folds.
    """
    if not cv:
        return [Fold(split.train, split.val)]
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

    rows = np.sort(np.concatenate([split.train, split.val]))
    y = features.y[rows]
    names, counts = np.unique(y, return_counts=True)
    if counts.min() < cv:
        rarest = features.class_names[names[counts.argmin()]]
        raise TrainingDataError(
            f"--cv {cv} needs {cv} samples of every class or more; {rarest!r} has {counts.min()}"
        )
    units = row_units(features)[rows]
    options = {"n_splits": cv, "shuffle": True, "random_state": random_state}
    if len(np.unique(units)) == len(units):
        parts = StratifiedKFold(**options).split(rows, y)
    else:
        parts = StratifiedGroupKFold(**options).split(rows, y, units)
    return [Fold(rows[train], rows[held_out]) for train, held_out in parts]


@dataclass(frozen=True)
class FoldData:
    """The rows of one fold, in memory or read as they are needed."""

    X: Any
    y: NDArray[np.int64]
    groups: NDArray[np.int64]
    X_held_out: Any
    y_held_out: NDArray[np.int64]

    @classmethod
    def read(
        cls, features: FeatureSet, fold: Fold, head: str = "", memory: int | None = None
    ) -> FoldData:
        """Read the rows of ``fold`` for one head, within ``memory`` bytes if that is given.

        Raises
        ------
        TrainingDataError, ConfigError
            They cannot be learned from, or not within that memory.
        """
        parts, n_classes = [fold.train, fold.held_out], len(features.class_names)
        X, X_held_out = bounded_rows(features.X, parts, head, n_classes, memory)
        y = features.y[fold.train]
        check_training_data(X, y, features.class_names)
        groups = row_units(features)[fold.train]
        return cls(X, y, groups, X_held_out, features.y[fold.held_out])

    @property
    def is_in_memory(self) -> bool:
        """Whether the rows have been read."""
        return not is_lazy(self.X)


@dataclass(frozen=True)
class Fitted:
    """One configuration, fitted on one fold."""

    place: int
    head: Any
    seconds: float


def measure_family(
    family: Family, data: FoldData, class_names: Sequence[str], random_state: int
) -> Iterator[tuple[Fitted, Measured]]:
    """Fit every configuration of a family on one fold, and measure it on the held-out rows.

    Configurations that can share their work do, and their seconds are shared out evenly. Where
    rows stay on disk each is fitted by itself: the memory is that of one.

    Yields
    ------
    Fitted, Measured
        As soon as each is there.
    """
    from ..heads.joint_fit import families, fit_many

    heads = [seeded_head(family.head, params, random_state) for params in family.params]
    places = {id(head): place for place, head in enumerate(heads)}
    groups = families(heads) if data.is_in_memory else [[head] for head in heads]
    for together in groups:
        start = time.perf_counter()
        fit_many(together, data.X, data.y, groups=data.groups)
        seconds = (time.perf_counter() - start) / len(together)
        fitted = [Fitted(places[id(head)], head, seconds) for head in together]
        yield from zip(fitted, judge(fitted, family.head, data, class_names), strict=True)


def judge(
    fitted: Sequence[Fitted], name: str, data: FoldData, class_names: Sequence[str]
) -> Iterator[Measured]:
    """Measure heads that were fitted together on the held-out rows of their fold."""
    from ..heads.joint_fit import predict_many

    start = time.perf_counter()
    heads = [one.head for one in fitted]
    found = np.zeros((len(heads), len(data.y_held_out), len(class_names)), np.float32)
    if len(data.y_held_out):
        for own, head, values in zip(
            found, heads, predict_many(heads, data.X_held_out), strict=True
        ):
            own[:, head.classes_] = values
    seconds = (time.perf_counter() - start) / len(heads)
    for one, probabilities in zip(fitted, found, strict=True):
        measures = measure(data.y_held_out, probabilities, class_names)
        yield _measured(one, name, measures, len(probabilities), seconds)


def _measured(
    fitted: Fitted, name: str, measures: Measures, n_samples: int, seconds: float
) -> Measured:
    scores = Scores(
        head=name,
        split="val",
        params=fitted.head.get_json_params(),
        n_samples=n_samples,
        fit_seconds=fitted.seconds,
        **vars(measures),
    )
    n_bytes = sum(array.nbytes for array in fitted.head.get_arrays().values())
    return Measured(scores, n_bytes, n_samples / max(seconds, 1e-9))


def mean_over_folds(folds: Sequence[Measured]) -> Measured:
    """Return the mean over folds, with the 95 % interval of the mean (Student's t).

    One fold is returned as it is. ``fit_seconds`` is the sum over folds.
    """
    if len(folds) == 1:
        return folds[0]
    from scipy.stats import t

    first = folds[0].scores
    names = [m for m in first.metrics if all(m in fold.scores.metrics for fold in folds)]
    values = {name: np.array([fold.scores.metrics[name] for fold in folds]) for name in names}
    half = float(t.ppf(0.975, len(folds) - 1)) / np.sqrt(len(folds))
    means = {name: float(v.mean()) for name, v in values.items()}
    spread = {name: half * float(v.std(ddof=1)) for name, v in values.items()}
    scores = Scores(
        head=first.head,
        split=f"cv{len(folds)}",
        params=first.params,
        n_samples=sum(fold.scores.n_samples for fold in folds),
        metrics=means,
        intervals={n: (means[n] - spread[n], means[n] + spread[n]) for n in names},
        fit_seconds=sum(fold.scores.fit_seconds for fold in folds),
        undefined={n: reason for fold in folds for n, reason in fold.scores.undefined.items()},
    )
    n_bytes = max(fold.model_bytes for fold in folds)
    rate = float(np.median([fold.predict_rate for fold in folds]))
    return Measured(scores, n_bytes, rate)
