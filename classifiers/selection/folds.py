"""Folds: rows to learn from, and rows to be judged by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...cache import FeatureMatrix, FeatureSet
from ...cache.errors import TrainingDataError
from ...cache.joined.stacked_matrix import StackedMatrix
from ..heads.row_blocks import RowView
from ..heads.training_data import check_classes
from .learned.rows import LearnedRows
from .memory import memory_limit, stays_on_disk
from .splitting.splits import Split

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Fold:
    """Row numbers of a FeatureSet: some to learn from, others to be judged by."""

    train: Rows
    held_out: Rows


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
        There is no validation split, or a class has fewer samples or groups than there are folds.
    """
    if not cv and not len(split.val):
        raise TrainingDataError(
            "a sweep ranks heads on validation images, but each class has one image or one group "
            "only, and none can be set apart. Add images, or train one head: featx fit"
        )
    if not cv:
        return [Fold(split.train, split.val)]
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

    rows = np.sort(np.concatenate([split.train, split.val]))
    y, units = features.y[rows], split.units[rows]
    has_sets = len(np.unique(units)) < len(units)
    _check_counts(y, units, cv, features.class_names, "groups or sets of equal images")
    options = {"n_splits": cv, "shuffle": True, "random_state": random_state}
    if has_sets:
        parts = StratifiedGroupKFold(**options).split(rows, y, units)
    else:
        parts = StratifiedKFold(**options).split(rows, y)
    return [Fold(rows[train], rows[held_out]) for train, held_out in parts]


def _check_counts(y: Rows, units: Rows, cv: int, class_names: Sequence[str], what: str) -> None:
    """Refuse more folds than the rarest class has samples, or groups."""
    for values, kind in ((np.arange(len(y)), "samples"), (units, what)):
        counts = [len(np.unique(values[y == label])) for label in np.unique(y)]
        fewest = int(np.argmin(counts))
        if counts[fewest] < cv:
            rarest = class_names[int(np.unique(y)[fewest])]
            raise TrainingDataError(
                f"--cv {cv} needs {cv} {kind} of every class or more; {rarest!r} has "
                f"{counts[fewest]}. Take fewer folds, or leave --cv away to judge on one split."
            )


@dataclass(frozen=True)
class FoldData:
    """The rows of one fold: arrays in memory, or ``RowView`` of rows on disk.

    Attributes
    ----------
    X, X_held_out : matrix of float, shape (n_samples, n_features)
        Also ``FeatureMatrix`` and ``StackedMatrix``, where the data travels to another process:
        see ``in_memory``.
    y, y_held_out : ndarray of int64, shape (n_samples,)
    groups : ndarray of int64, shape (n_samples,)
        Training rows of one number are held out together: an image and its views among them.
    weights : ndarray of float64, shape (n_samples,), or None
        How much each training row counts.
    widths : tuple of int
        Number of columns of each set of features that stands in ``X``.
    """

    X: Any
    y: Rows
    groups: Rows
    X_held_out: Any
    y_held_out: Rows
    weights: NDArray[np.float64] | None = None
    widths: tuple[int, ...] = ()

    def in_memory(self) -> FoldData:
        """Return the data with rows read that lie in the cache."""
        if not isinstance(self.X, FeatureMatrix | StackedMatrix):
            return self
        return replace(self, X=np.asarray(self.X), X_held_out=np.asarray(self.X_held_out))


class FoldReader:
    """Reads the folds of a sweep from the cache: each row once, where they fit into memory.

    Parameters
    ----------
    features : FeatureSet
    folds : sequence of Fold
    units : ndarray of int64
        The unit of each row of ``features``.
    memory : int, optional
        Bytes that training may take; without it, most of what is free where the rows need more.
        With it, rows that are larger stay on disk, and rows that are not are read for one fold at a
        time.

    Raises
    ------
    TrainingDataError, ConfigError
        A fold has one class only, or the memory is too little for any head.
    FeaturesNotFoundError
        The cache lacks a view of a training image.

    Attributes
    ----------
    memory : int or None
        The limit that is kept to.
    n_rows : int
        Of the first fold: those that are learned from, in all views, and those that judge.
    """

    def __init__(
        self, features: FeatureSet, folds: Sequence[Fold], units: Rows, memory: int | None = None
    ) -> None:
        self.features, self.folds = features, folds
        self._learned = [LearnedRows.of(features, fold.train, units) for fold in folds]
        self._rows = np.union1d(folds[0].train, folds[0].held_out)
        self.n_rows = len(self._learned[0].y) + len(folds[0].held_out)
        n_classes = len(features.class_names)
        self.memory = memory_limit(features.X, self.n_rows, n_classes, memory)
        self.is_on_disk = self.memory is not None and stays_on_disk(
            features.X, self.n_rows, n_classes, self.memory
        )
        self._all: dict[int, Any] = {}
        self._last: tuple[int, FoldData] | None = None
        for learned in self._learned:
            check_classes(learned.y, features.class_names)

    def read(self, index: int) -> FoldData:
        """Return the rows of one fold."""
        if self._last is None or self._last[0] != index:
            self._last = None
            learned, held_out = self._learned[index], self.folds[index].held_out
            self._last = index, self._data(index, self._train(learned), self._take(0, held_out))
        return self._last[1]

    def refer(self, index: int) -> FoldData:
        """Return one fold whose rows stay in the cache: pickled, it says where they lie."""
        learned, held_out = self._learned[index], self.folds[index].held_out
        if self.is_on_disk:
            return self._data(index, self._train(learned), self._take(0, held_out))
        return self._data(index, learned.refer(), self.features.X.select(held_out))

    def _data(self, index: int, X: Any, X_held_out: Any) -> FoldData:
        learned, y_held_out = self._learned[index], self.features.y[self.folds[index].held_out]
        facts = (learned.weights, self.features.X.widths)
        return FoldData(X, learned.y, learned.groups, X_held_out, y_held_out, *facts)

    def _train(self, learned: LearnedRows) -> Any:
        """Return the rows that are learned from: those of all views, one view after the other."""
        if self.memory is not None and self.is_on_disk:
            return RowView(learned.X, learned.rows, self.memory)
        parts = [self._take(view, learned.images) for view in range(len(learned.matrices))]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def _take(self, view: int, rows: Rows) -> Any:
        """Return some rows of a view; 0 is the images themselves."""
        matrix = self._learned[0].matrices[view]
        if self.memory is not None and self.is_on_disk:
            return RowView(matrix, rows, self.memory)
        if self.memory is not None or len(self.folds) == 1:
            return np.asarray(matrix[rows])
        if view not in self._all:
            self._all[view] = np.asarray(matrix[self._rows])
        return self._all[view][np.searchsorted(self._rows, rows)]
