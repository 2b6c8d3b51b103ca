"""Results of sweeps, kept in the cache, so that nothing is measured twice."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from ...cache import FeatureSet, FeatureStore, Scores
from ...cache.errors import CacheWriteError
from ...cache.format.atomic import write_text
from ..heads.registry import find_head


@dataclass(frozen=True)
class Measured:
    """One configuration of a head as it was measured.

    Attributes
    ----------
    scores : Scores
        On validation, or the mean over folds.
    model_bytes : int
        Of the arrays that prediction needs.
    predict_rate : float
        Rows a second.
    convergence_note : str
        What to change, where the head stopped before it converged.
    """

    scores: Scores
    model_bytes: int
    predict_rate: float
    convergence_note: str = ""

    def tells(self, metric: str) -> bool:
        """Say whether a metric was measured; results of earlier versions lack later metrics."""
        return metric in self.scores.metrics or metric in self.scores.undefined

    def to_dict(self) -> dict[str, Any]:
        """Return the fields, and whether the head converged."""
        return {**asdict(self), "converged": not self.convergence_note}


def mean_over_folds(folds: Sequence[Measured]) -> Measured:
    """Return the mean over folds, with the 95 % interval of the mean (Student's t).

    One fold is returned as it is. A metric that is undefined on one fold is undefined.
    ``fit_seconds`` is the sum over folds.
    """
    if len(folds) == 1:
        return folds[0]
    from scipy.stats import t

    first = folds[0].scores
    undefined = {n: reason for fold in folds for n, reason in fold.scores.undefined.items()}
    names = [name for name in first.metrics if name not in undefined]
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
        undefined=undefined,
    )
    return Measured(
        scores,
        max(fold.model_bytes for fold in folds),
        float(np.median([fold.predict_rate for fold in folds])),
        next((fold.convergence_note for fold in folds if fold.convergence_note), ""),
    )


@dataclass
class ResultStore:
    """Results for one set of features under one scheme of validation.

    Parameters
    ----------
    store : FeatureStore
    features : FeatureSet
    scheme : dict
        How validation is done; results of another scheme are other results.

    Attributes
    ----------
    refusal : str
        Why a result could not be stored; empty while all could.

    Notes
    -----
    A file's name is a digest of all that a result depends on: data, features, head, parameters,
    scheme. A head's record says by its ``revision`` that results of earlier ones are stale.
    """

    store: FeatureStore
    features: FeatureSet
    scheme: dict[str, Any]
    refusal: str = field(default="", init=False)

    def get(self, head: str, params: dict[str, Any]) -> Measured | None:
        """Return a stored result, or None."""
        try:
            stored = json.loads(self._path(head, params).read_text(encoding="utf-8"))
            intervals = {k: (v[0], v[1]) for k, v in stored["scores"].pop("intervals").items()}
            scores = Scores(**stored["scores"], intervals=intervals)
            return Measured(
                scores,
                int(stored["model_bytes"]),
                float(stored["predict_rate"]),
                str(stored.get("convergence_note", "")),
            )
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            return None  # absent, or damaged: it is measured again

    def put(self, head: str, params: dict[str, Any], result: Measured) -> None:
        """Store a result; a cache that cannot be written to is noted in ``refusal``."""
        path = self._path(head, params)
        try:
            write_text(path, json.dumps(asdict(result), indent=1) + "\n")
        except CacheWriteError as error:
            cause = error.__cause__
            reason = getattr(cause, "strerror", None) or cause
            self.refusal = self.refusal or f"cannot write to {path.parent}: {reason}"

    def _path(self, head: str, params: dict[str, Any]) -> Path:
        manifest, spec = self.features.manifest, self.features.spec
        key = {
            "data": manifest.data_digest,
            "features": spec.fingerprint,
            "rows": len(self.features),
            "head": head,
            "params": params,
            "scheme": self.scheme,
            "featx": version("featx"),
        }
        if (revision := find_head(head).revision) > 1:
            key["revision"] = revision
        digest = hashlib.sha256(json.dumps(key, sort_keys=True, default=str).encode()).hexdigest()
        return self.store.layout.sweeps(self.features.name) / f"{head}-{digest[:24]}.json"
