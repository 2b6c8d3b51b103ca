"""What callers of ``featx.fit`` and ``featx.sweep`` hand over: heads, weights and a split."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..cache import NO_SPLIT, SPLITS, FeatureSet
from ..cache.errors import ConfigError
from ..cache.suggest import did_you_mean
from .heads.registry import OWN
from .selection.fit import HeadOptions
from .selection.grid import Family, default_families
from .selection.sweep_options import SweepOptions


def options_of(options: HeadOptions | None, head: Any) -> HeadOptions:
    """Return options for a head that is named, or handed over as an estimator.

    Raises
    ------
    ConfigError
        Both ``options`` and ``head`` say which head.
    """
    if head is None:
        return options or HeadOptions()
    options = options or HeadOptions()
    if options.name != HeadOptions().name or options.params or options.estimator is not None:
        raise ConfigError("options and head both say which head is fitted: leave one away")
    if isinstance(head, str):
        return replace(options, name=head)
    return replace(options, estimator=head)


def with_families(options: SweepOptions, heads: Sequence[Any]) -> SweepOptions:
    """Return options for a sweep over heads that are named, or handed over as estimators.

    Raises
    ------
    ConfigError
        Both ``options`` and ``heads`` say what is swept.
    UnknownHeadError
        There is no such head.
    """
    if not heads:
        return options
    if options.families:
        raise ConfigError("options and heads both say what is swept: leave one away")
    families = [
        default_families([head])[0]
        if isinstance(head, str)
        else Family(OWN.name, ({"estimator": head},))
        for head in heads
    ]
    return replace(options, families=tuple(families))


def with_weights(features: FeatureSet, sample_weight: Any) -> FeatureSet:
    """Return the features with other weights of samples than their source gives.

    Parameters
    ----------
    features : FeatureSet
    sample_weight : array-like (n_samples,), or mapping of sample id to weight
        Samples that a mapping does not name have weight 1.

    Raises
    ------
    ConfigError
        It has another shape, names a sample that is not there, or a weight is below 0.
    """
    weights = _weights(features, sample_weight)
    if not (np.isfinite(weights) & (weights >= 0)).all():
        raise ConfigError("sample_weight must be finite and not negative")
    return features.relabelled(weights=weights)


def _weights(features: FeatureSet, sample_weight: Any) -> NDArray[np.float64]:
    if isinstance(sample_weight, Mapping):
        rows = {name: row for row, name in enumerate(features.sample_ids)}
        weights = np.ones(len(features))
        for name, value in sample_weight.items():
            if name not in rows:
                close = did_you_mean(str(name), rows) if len(rows) < 1000 else ""
                raise ConfigError(f"sample_weight names {name!r}, which is no sample. {close}")
            weights[rows[name]] = value
        return weights
    weights = np.asarray(sample_weight, np.float64)
    if weights.shape != (len(features),):
        raise ConfigError(
            f"sample_weight has the shape {weights.shape}, expected one weight for each row of the "
            f"features: {(len(features),)}"
        )
    return weights


def with_split(features: FeatureSet, split: Any) -> FeatureSet:
    """Return the features with another split than their source gives.

    Parameters
    ----------
    features : FeatureSet
    split : array-like (n_samples,) of str, or mapping of str to rows
        ``train``, ``val`` or ``test`` of each row, empty or None for none; or the rows of each
        split, as indices or masks. Rows without a split are left out.

    Raises
    ------
    ConfigError
        It has another shape, names an unknown split, or gives a row twice.
    """
    codes = np.full(len(features), NO_SPLIT, np.int8)
    if isinstance(split, Mapping):
        taken = np.zeros(len(features), np.int64)
        for name, rows in split.items():
            index = np.arange(len(features))[np.asarray(rows)]
            codes[index] = _code(name)
            np.add.at(taken, index, 1)
        if (taken > 1).any():
            row = int(np.argmax(taken > 1))
            raise ConfigError(f"the split gives {features.sample_ids[row]!r} twice")
    else:
        names = np.asarray(split, object)
        if names.shape != (len(features),):
            raise ConfigError(
                f"split has the shape {names.shape}, expected train, val or test for each row of "
                f"the features, {(len(features),)}, or a mapping of these names to rows"
            )
        codes[:] = [NO_SPLIT if name in (None, "") else _code(name) for name in names]
    if not (codes == SPLITS.index("train")).any():
        raise ConfigError("the split has no training rows. Expected some rows called train")
    return features.relabelled(splits=codes)


def _code(name: Any) -> int:
    if name not in SPLITS:
        raise ConfigError(f"unknown split {name!r}. {did_you_mean(str(name), SPLITS)}")
    return SPLITS.index(name)
