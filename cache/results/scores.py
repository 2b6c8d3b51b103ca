"""Scores: the metrics of one head on one split."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Scores:
    """Metrics of one head on one split, with its parameters, seconds and intervals.

    Attributes
    ----------
    head, split : str
        Which head was measured on which samples.
    params : mapping
        The head's parameters.
    n_samples : int
    metrics : mapping of str to float
        A metric that is undefined is left out; it is never 0 or NaN.
    intervals : mapping of str to (low, high)
        95 % intervals of the metrics that have one.
    fit_seconds : float
    undefined : mapping of str to str
        The metrics that are undefined on these samples, and why.
    """

    head: str
    split: str
    params: Mapping[str, Any]
    n_samples: int
    metrics: Mapping[str, float]
    intervals: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    fit_seconds: float = 0.0
    undefined: Mapping[str, str] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types."""
        plain: dict[str, Any] = json.loads(json.dumps(asdict(self), default=str))
        return plain

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Scores:
        """Rebuild what ``to_dict`` returned; a field that came later has its default."""
        intervals = {k: (v[0], v[1]) for k, v in plain.get("intervals", {}).items()}
        return cls(**{**plain, "intervals": intervals})
