"""Results on one set of features: kept in the cache, so that nothing is measured twice."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from importlib.metadata import version
from typing import Any

import numpy as np

from ...cache import FeatureSet, FeatureStore, Predictions, Result, ResultStore, Scores
from ...cache.errors import CacheFormatError, CacheWriteError
from ...cache.results.result import SWEEP
from ...extractor.run_options import LogObserver, Observer
from ..heads.registry import find_head
from .fit import FitReport, seeded_head
from .metrics import DEFAULT_METRIC, METRICS, Metric, measure
from .metrics.of_class import without_costs
from .splitting.splits import Split

ID_DIGITS = 8


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
    n_parameters : int
        Numbers of the head that training decided.
    multiply_adds : int
        For one row of features.
    history : mapping of str to list of float
        Training curves; without those of folds.
    n_tuned : int
        Numbers of the backbone's last layers that training decided as well.
    """

    scores: Scores
    model_bytes: int
    predict_rate: float
    convergence_note: str = ""
    n_parameters: int = 0
    multiply_adds: int = 0
    history: Mapping[str, list[float]] = field(default_factory=dict)
    n_tuned: int = 0

    @classmethod
    def of(cls, head: Any, scores: Scores, predict_rate: float) -> Measured:
        """Return what was measured of a fitted head, with its size."""
        arrays = head.get_arrays()
        numbers = [array.size for name, array in arrays.items() if array.dtype.kind == "f"]
        return cls(
            scores,
            sum(array.nbytes for array in arrays.values()),
            predict_rate,
            head.convergence_note(),
            int(sum(numbers)),
            head.multiply_adds(),
            getattr(head, "history_", {}),
            getattr(head, "n_tuned_", 0),
        )

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
        max(fold.n_parameters for fold in folds),
        max(fold.multiply_adds for fold in folds),
    )


def with_pooled(scores: Scores, predictions: Predictions, metric: Metric) -> Scores:
    """Add what is measured on the judged rows of all folds together.

    That is the rarest class, and a metric that names a class or costs: in a single fold a class
    may have no row.
    """
    more = [] if metric.name in METRICS else [metric]
    if scores.rarest is not None and scores.split == "val" and not more:
        return scores
    y, P, names = predictions.y, predictions.probabilities, predictions.rows.class_names
    now = measure(y, P, names, more)

    def asked(values: Mapping[str, Any]) -> dict[str, Any]:
        return {m.name: values[m.name] for m in more if m.name in values}

    return replace(
        scores,
        metrics={**scores.metrics, **asked(now.metrics)},
        intervals={**scores.intervals, **asked(now.intervals)},
        undefined={**scores.undefined, **asked(now.undefined)},
        rarest=now.rarest,
    )


@dataclass
class FeatureResults:
    """Results on one set of features under one scheme of validation.

    Parameters
    ----------
    store : FeatureStore
    features : FeatureSet
    split : Split
    scheme : dict
        How validation is done: ``cv``, and ``random_state`` of the folds. Results of another scheme
        are other results.

    Attributes
    ----------
    refusal : str
        Why a result could not be kept; empty while all could.

    Notes
    -----
    A result's id ends in a digest of all that it depends on: data, split, features, head,
    parameters, scheme. A head's record says by its ``revision`` that results of earlier ones are
    stale. Results of sweeps before there were ids were measured on other splits: none is read.
    """

    store: FeatureStore
    features: FeatureSet
    split: Split
    scheme: dict[str, Any]
    refusal: str = field(default="", init=False)

    def get(
        self, head: str, params: Mapping[str, Any], metric: Metric = METRICS[DEFAULT_METRIC]
    ) -> Measured | None:
        """Return what was measured of a configuration on validation or over folds, or None.

        ``metric``, and metrics that came later, are measured on the predictions that are kept.
        """
        result = self._results.get(self.features.name, self.id_of(head, params))
        if result is None or self._judged not in result.scores:
            return None
        return Measured(
            self._with_later_metrics(result, metric),
            result.model_bytes,
            result.predict_rate,
            result.convergence_note,
            result.n_parameters,
            result.multiply_adds,
            result.history,
        )

    def put(
        self,
        params: Mapping[str, Any],
        measured: Measured,
        predictions: Mapping[str, Predictions],
        more: Sequence[Scores] = (),
    ) -> None:
        """Keep a configuration of a sweep; a cache that cannot be written to sets ``refusal``.

        Parameters
        ----------
        params : mapping
            Those that the grid sets.
        measured : Measured
        predictions : mapping of str to Predictions
            By split.
        more : sequence of Scores
            On other splits than ``measured``.
        """
        head = measured.scores.head
        result = self._result(head, self._all_params(head, params), measured)
        scores = {**result.scores, **{s.split: s for s in more}}
        self._write(replace(result, scores=scores), predictions)

    def put_fit(self, report: FitReport, kind: str) -> str:
        """Keep a head or network that was fitted by itself; return its id. See ``put``."""
        head = report.model.head
        measured = Measured.of(head, report.scores[0], report.predict_rate)
        result = self._result(report.model.head_name, head.get_json_params(), measured)
        scores = {s.split: s for s in report.scores}
        self._write(replace(result, kind=kind, scores=scores), report.predictions)
        return result.id

    def id_of(self, head: str, params: Mapping[str, Any]) -> str:
        """Return the id of a configuration with the parameters that a grid sets."""
        return self._id(head, self._all_params(head, params))

    def _result(self, head: str, params: Mapping[str, Any], measured: Measured) -> Result:
        spec = self.features.spec
        return Result(
            id=self._id(head, params),
            name=_name(head, params),
            kind=SWEEP,
            features=self.features.name,
            backbone=spec.backbone,
            layer=spec.layer,
            head=head,
            params=params,
            scores={measured.scores.split: measured.scores},
            n_parameters=measured.n_parameters,
            n_tuned=measured.n_tuned,
            model_bytes=measured.model_bytes,
            predict_rate=measured.predict_rate,
            multiply_adds=measured.multiply_adds,
            convergence_note=measured.convergence_note,
            history=measured.history,
            created_ns=time.time_ns(),
            views=self.features.views_taken.to_dict(),
        )

    def _write(self, result: Result, predictions: Mapping[str, Predictions]) -> None:
        scores = {split: without_costs(one) for split, one in result.scores.items()}
        try:
            self._results.put(replace(result, scores=scores), predictions)
        except CacheWriteError as error:
            cause = error.__cause__
            reason = getattr(cause, "strerror", None) or cause
            folder = self.store.layout.results(self.features.name)
            self.refusal = self.refusal or f"cannot write to {folder}: {reason}"

    @property
    def _results(self) -> ResultStore:
        return ResultStore(self.store.layout)

    @property
    def _judged(self) -> str:
        return f"cv{self.scheme['cv']}" if self.scheme["cv"] else "val"

    def _all_params(self, head: str, params: Mapping[str, Any]) -> dict[str, Any]:
        made = seeded_head(head, params, self.scheme["random_state"])
        all_params: dict[str, Any] = made.get_json_params()
        return all_params

    def _with_later_metrics(self, result: Result, metric: Metric) -> Scores:
        scores = result.scores[self._judged]
        try:
            kept = self._results.predictions(result, self._judged)
        except CacheFormatError:
            kept = None
        if kept is None:
            return scores
        scores = with_pooled(scores, kept, metric)
        if self.scheme["cv"]:
            return scores
        now = measure(kept.y, kept.probabilities, kept.rows.class_names)
        return replace(
            scores,
            metrics={**now.metrics, **scores.metrics},
            intervals={**now.intervals, **scores.intervals},
            undefined={**now.undefined, **scores.undefined},
        )

    def _id(self, head: str, params: Mapping[str, Any]) -> str:
        key = {
            "split": self.split.to_dict()["digest"],
            "data": self.features.manifest.data_digest,
            "features": self.features.spec.fingerprint,
            "rows": len(self.features),
            "head": head,
            "params": params,
            "scheme": self.scheme if self.scheme["cv"] else {"cv": 0},
            "featx": version("featx"),
        }
        if self.features.views:
            key["views"] = self.features.views_taken.to_dict()
        if (revision := find_head(head).revision) > 1:
            key["revision"] = revision
        return f"{_name(head, params)}-{_digest(key)[:ID_DIGITS]}"


def keep_fit(
    store: FeatureStore,
    features: FeatureSet,
    report: FitReport,
    kind: str,
    observer: Observer | None = None,
) -> FitReport:
    """Keep what ``fit`` or a baseline has measured, and return it; its model names the result.

    ``observer`` hears where the cache refuses.
    """
    if not report.scores:
        return report
    scheme = {"cv": 0, "random_state": 0}
    results = FeatureResults(store, features, report.prepared.split, scheme)
    result_id = results.put_fit(report, kind)
    if results.refusal:
        why = f"The result is not kept for comparison: {results.refusal}"
        (observer or LogObserver()).say(why)
    origin = {**report.model.origin, "result": result_id}
    return replace(report, model=replace(report.model, origin=origin))


def _digest(key: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(key, sort_keys=True, default=_text).encode()).hexdigest()


def _text(value: Any) -> str:
    """Return a parameter as text; two own estimators that differ give two texts."""
    if not hasattr(value, "get_params"):
        return str(value)
    from joblib import hash as digest_of

    return f"{type(value).__name__} {digest_of(value)}"


def _name(head: str, params: Mapping[str, Any]) -> str:
    """Return what people call a configuration's head: that of a baseline is its network."""
    return str(params.get("network", head))
