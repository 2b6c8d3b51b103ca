"""Results of sweeps, stored beside the cache, so that nothing is measured twice."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ...cache import FeatureSet, FeatureStore, Scores
from ...cache.errors import CacheWriteError
from ...cache.format.atomic import write_text


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
    """

    scores: Scores
    model_bytes: int
    predict_rate: float


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
            return Measured(scores, int(stored["model_bytes"]), float(stored["predict_rate"]))
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            return None  # absent, or damaged: it is measured again

    def put(self, head: str, params: dict[str, Any], result: Measured) -> None:
        """Store a result; a cache that cannot be written to only loses the memory of it."""
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
        digest = hashlib.sha256(json.dumps(key, sort_keys=True, default=str).encode()).hexdigest()
        return self.store.root / "sweeps" / self.features.name / f"{head}-{digest[:24]}.json"
