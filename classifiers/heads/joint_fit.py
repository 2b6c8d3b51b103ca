"""Fitting many heads on one training set, jointly where that is cheaper."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

if TYPE_CHECKING:
    from .base import Head
    from .training_data import Training


def fit_many(
    heads: Sequence[Head],
    X: Any,
    y: Any,
    sample_weight: Any = None,
    *,
    groups: Any = None,
    widths: Sequence[int] = (),
) -> list[Head]:
    """Fit all ``heads``; those that differ in their ``joint_params`` only are fitted jointly.

    A grid over ``C`` of a linear head is one path of the solver, a grid over ``C`` and ``gamma`` of
    the SVM computes its distances once, a grid over ``alpha`` decomposes its Gram matrix once;
    nearest neighbours keep one copy of the samples; dense heads learn from each batch as it is
    read.

    Parameters
    ----------
    heads : sequence of Head
        They are fitted in place.
    X, y, sample_weight, groups, widths
        As ``Head.fit`` takes them.

    Returns
    -------
    list of Head
        ``heads``, each as if fitted alone: linear heads within their tolerance; temperatures of
        SVMs on many samples, and dense heads that Keras trains, but for rounding.

    Raises
    ------
    TrainingDataError, ConfigError
        As ``Head.fit`` raises them; parameters are checked before anything is fitted.
    """
    for head in heads:
        head._check_params()
    for group in families(heads):
        if len(group) > 1:
            _fit_family(group, group[0]._prepare(X, y, sample_weight, groups, widths))
        else:
            group[0].fit(X, y, sample_weight, groups=groups, widths=widths)
    return list(heads)


def predict_many(heads: Sequence[Head], X: Any) -> list[NDArray[Any]]:
    """Return ``predict_proba(X)`` of heads that one call of ``fit_many`` fitted.

    Heads of one family share work: nearest neighbours are searched once for all ``n_neighbors``.

    Returns
    -------
    list of ndarray, shape (n_samples, n_classes)
        In the order of ``heads``.
    """
    by_head: dict[int, NDArray[Any]] = {}
    for group in families(heads):
        results = type(group[0])._predict_jointly(group, X)
        by_head.update((id(head), result) for head, result in zip(group, results, strict=True))
    return [by_head[id(head)] for head in heads]


def families(heads: Sequence[Head]) -> list[list[Head]]:
    """Group heads that differ in their ``joint_params`` only, in order of their first member."""
    groups: dict[str, list[Head]] = {}
    for i, head in enumerate(heads):
        params = head.get_params(deep=False)
        fixed = {name: value for name, value in params.items() if name not in head.joint_params}
        # A generator changes with each fit: heads that share one are fitted one after the other.
        is_alone = not head.joint_params or hasattr(fixed.get("random_state"), "randint")
        key = str(i) if is_alone else f"{type(head).__name__}{sorted(fixed.items(), key=_name)}"
        groups.setdefault(key, []).append(head)
    return list(groups.values())


def _name(item: tuple[str, Any]) -> str:
    return item[0]


def _fit_family(group: Sequence[Head], data: Training) -> None:
    for head in group[1:]:
        head._take_scale(group[0])
    type(group[0])._fit_jointly(group, data)
