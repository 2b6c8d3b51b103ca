"""Scores: the metrics of one head on one split."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any


@dataclass(frozen=True)
class Rarest:
    """The class with the fewest judged rows, and how often it is found.

    Attributes
    ----------
    name : str
    rows : int
    n_found : int
        Of them, those that are predicted to be of the class.
    n_few : int
        Classes with few rows, this one among them.
    """

    name: str
    rows: int
    n_found: int
    n_few: int

    @property
    def recall(self) -> float | None:
        """Share of the class's rows that are found; None without rows."""
        return self.n_found / self.rows if self.rows else None

    def describe(self) -> str:
        """Return recall and rows, as ``0.67 of 3``."""
        return f"{'–' if self.recall is None else f'{self.recall:.2f}'} of {self.rows:,}"


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
    rarest : Rarest or None
        None where an earlier featx did not count.
    """

    head: str
    split: str
    params: Mapping[str, Any]
    n_samples: int
    metrics: Mapping[str, float]
    intervals: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    fit_seconds: float = 0.0
    undefined: Mapping[str, str] = field(default_factory=dict)
    rarest: Rarest | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types."""
        plain: dict[str, Any] = json.loads(json.dumps(asdict(self), default=str))
        if self.rarest is not None:
            plain["rarest"]["recall"] = self.rarest.recall
        return plain

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Scores:
        """Rebuild what ``to_dict`` returned; a field that came later has its default.

        What a newer featx added is left out.
        """
        intervals = {k: (v[0], v[1]) for k, v in plain.get("intervals", {}).items()}
        counts = plain.get("rarest")
        rarest = counts and Rarest(*(counts[f.name] for f in fields(Rarest)))
        known = {f.name: plain[f.name] for f in fields(cls) if f.name in plain}
        return cls(**{**known, "intervals": intervals, "rarest": rarest})
