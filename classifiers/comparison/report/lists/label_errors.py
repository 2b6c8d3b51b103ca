"""Images whose label is probably wrong: what models that have not seen them say (cleanlab)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from importlib.util import find_spec

import numpy as np
from numpy.typing import NDArray

from .....cache import FeatureSet
from ....selection.fit import seeded_head
from ....selection.folds import make_folds
from ....selection.splitting.splits import Split

FOLDS = 5
LARGE = 40_000_000
"""Numbers of features above which the quick head takes the place of the better one."""
BETTER, QUICK = "logreg", "ridge"
PREDICT_ROWS = 8192


@dataclass(frozen=True)
class LabelErrors:
    """Probable label errors, the most probable ones first.

    Attributes
    ----------
    rows : ndarray of int64
        Of the features.
    given, suggested : ndarray of int64
        Class indices.
    given_probability, suggested_probability : ndarray of float
        Out of fold.
    n_judged : int
    head : str
    skipped : str
        Why they were not looked for; empty where they were.
    """

    rows: NDArray[np.int64]
    given: NDArray[np.int64]
    suggested: NDArray[np.int64]
    given_probability: NDArray[np.float32]
    suggested_probability: NDArray[np.float32]
    n_judged: int = 0
    head: str = ""
    skipped: str = ""


def skipped(reason: str) -> LabelErrors:
    """Return an answer that says why nothing was looked for."""
    none, no_share = np.zeros(0, np.int64), np.zeros(0, np.float32)
    return LabelErrors(none, none, none, no_share, no_share, skipped=reason)


def find_label_errors(features: FeatureSet, split: Split) -> LabelErrors:
    """Look for label errors among all rows that have a split.

    Each row is predicted by a head that was trained on the other folds (five, stratified; equal
    images and groups stay together; weights of samples count). cleanlab finds the rows that these
    predictions contradict (Northcutt et al. 2021, Confident Learning, JAIR 70).
    """
    if find_spec("cleanlab") is None:
        return skipped("cleanlab is not installed: pip install 'featx[report]'")
    rows = _rows_of_frequent_classes(features, split)
    if len(np.unique(features.y[rows])) < 2:
        return skipped(f"fewer than two classes have {FOLDS} images or groups")
    everything = replace(split, train=rows, val=rows[:0], test=rows[:0])
    folds = make_folds(features, everything, FOLDS, 0)
    head_name = QUICK if len(rows) * features.X.shape[1] > LARGE else BETTER
    present = np.unique(features.y[rows])
    probabilities = np.zeros((len(rows), len(present)), np.float32)
    for fold in folds:
        head = seeded_head(head_name, {}, 0)
        y, units = features.y[fold.train], split.units[fold.train]
        X, widths = np.asarray(features.X[fold.train]), features.X.widths
        weights = None if features.weights is None else features.weights[fold.train]
        head.fit(X, y, weights, groups=units, widths=widths)
        at = np.searchsorted(rows, fold.held_out)
        columns = np.searchsorted(present, head.classes_)
        for start in range(0, len(at), PREDICT_ROWS):
            part = slice(start, start + PREDICT_ROWS)
            block = np.asarray(features.X[fold.held_out[part]])
            probabilities[at[part][:, None], columns] = head.predict_proba(block)
    return _judge(rows, features.y[rows], present, probabilities, head_name)


def _rows_of_frequent_classes(features: FeatureSet, split: Split) -> NDArray[np.int64]:
    """Return the rows of all splits whose class has a unit for each fold."""
    rows = np.sort(np.concatenate([split.train, split.val, split.test]))
    pairs = np.unique(np.column_stack([features.y[rows], split.units[rows]]), axis=0)
    n_units = np.bincount(pairs[:, 0], minlength=len(features.class_names))
    frequent: NDArray[np.int64] = rows[n_units[features.y[rows]] >= FOLDS]
    return frequent


def _judge(
    rows: NDArray[np.int64],
    y: NDArray[np.int64],
    present: NDArray[np.int64],
    probabilities: NDArray[np.float32],
    head: str,
) -> LabelErrors:
    from cleanlab.filter import find_label_issues

    labels = np.searchsorted(present, y)
    chosen = np.asarray(
        find_label_issues(
            labels, probabilities, return_indices_ranked_by="self_confidence", n_jobs=1
        ),
        np.int64,
    )
    best = probabilities[chosen].argmax(axis=1)
    return LabelErrors(
        rows=rows[chosen],
        given=y[chosen],
        suggested=present[best],
        given_probability=probabilities[chosen, labels[chosen]],
        suggested_probability=probabilities[chosen, best],
        n_judged=len(rows),
        head=head,
    )
