"""Fitting many heads on one training set, together where that is cheaper."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .base import Head


def fit_many(
    heads: Sequence[Head],
    X: Any,
    y: Any,
    sample_weight: Any = None,
    *,
    validation_data: Any = None,
) -> list[Head]:
    """Fit all ``heads``; those that differ in their ``shared_params`` only share their work.

    A grid over ``C`` of a linear head is one path of the solver, a grid over ``C`` and ``gamma`` of
    the SVM computes its distances once, a grid over ``alpha`` decomposes its Gram matrix once.

    Parameters
    ----------
    heads : sequence of Head
        They are fitted in place.
    X, y, sample_weight
        As ``Head.fit`` takes them.
    validation_data : tuple (X, y), optional
        Handed to the heads that stop early.

    Returns
    -------
    list of Head
        ``heads``, each as by a fit of its own; linear heads within their tolerance.

    Raises
    ------
    TrainingDataError, ConfigError
        As ``Head.fit`` raises them; parameters are checked before anything is fitted.
    """
    for head in heads:
        head._check_params()
    for group in families(heads):
        if len(group) > 1:
            _fit_family(group, X, y, sample_weight)
        elif group[0].uses_validation:
            group[0].fit(X, y, sample_weight, validation_data=validation_data)  # type: ignore[call-arg]
        else:
            group[0].fit(X, y, sample_weight)
    return list(heads)


def families(heads: Sequence[Head]) -> list[list[Head]]:
    """Group heads that differ in their ``shared_params`` only, in order of their first member."""
    found: dict[str, list[Head]] = {}
    for i, head in enumerate(heads):
        params = head.get_params(deep=False)
        fixed = sorted((k, repr(v)) for k, v in params.items() if k not in head.shared_params)
        key = f"{type(head).__name__}{fixed}" if head.shared_params else str(i)
        found.setdefault(key, []).append(head)
    return list(found.values())


def _fit_family(group: Sequence[Head], X: Any, y: Any, sample_weight: Any) -> None:
    first = group[0]
    data = first._prepare(X, y, sample_weight)
    for head in group[1:]:
        head._take_scale(first)
    type(first)._fit_together(group, data)
