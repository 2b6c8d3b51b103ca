"""Predictions: what a model says of neighbouring rows, as one Arrow table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...cache import StringColumn
from ...cache.errors import ConfigError
from ..models.model import Model

STATUSES = ("ok", "unsure", "error")
UNSURE, ERROR = STATUSES.index("unsure"), STATUSES.index("error")
FULL_SORT_CLASSES = 64
# Temporary arrays that stay in the processor's cache, and in memory that is given again.
PREDICT_BYTES = 2 << 20
TOP_K = "featx.top_k"


@dataclass(frozen=True, kw_only=True)
class PredictionOptions:
    """What a row of predictions holds, and when the model shall decide.

    Attributes
    ----------
    top_k : int
        Columns ``top_classes`` and ``top_probabilities``: the k best, best first; 0 for none.
    probabilities : bool
        One column ``p_<class>`` for each class.
    threshold : float or None
        For two classes: the second is predicted where its probability is this or more.
    abstain_below : float or None
        Rows whose probability is below it get the status ``unsure`` and no predicted class.

    Raises
    ------
    ConfigError
        A number is outside its range.
    """

    top_k: int = 0
    probabilities: bool = False
    threshold: float | None = None
    abstain_below: float | None = None

    def __post_init__(self) -> None:
        if self.top_k < 0:
            raise ConfigError(f"top_k counts from 1 (0: none), got {self.top_k}")
        for name in ("threshold", "abstain_below"):
            value = getattr(self, name)
            if value is not None and not 0 <= value <= 1:
                raise ConfigError(f"{name} is a probability from 0 to 1, got {value}")

    def check_classes(self, class_names: Sequence[str]) -> None:
        """Refuse a threshold where there are not exactly two classes; raises ConfigError."""
        if self.threshold is not None and len(class_names) != 2:
            raise ConfigError(
                f"threshold needs a model of two classes, this one has {len(class_names)}. "
                "For more classes use abstain_below (--abstain-below)"
            )

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types."""
        return asdict(self)


@dataclass(frozen=True)
class RowBlock:
    """Neighbouring samples as they come from a source or a cache.

    Attributes
    ----------
    ids : pyarrow.StringArray, length n
    ok : ndarray of bool, shape (n,)
        Which samples have features.
    X : matrix of float, shape (ok.sum(), n_features)
        An array, or lazy as ``FeatureSet.X``.
    reasons : sequence of str, length n
        Why a sample has no features.
    digests : ndarray of uint8, shape (n, 32), or None
        Kept beside the predictions where given.
    """

    ids: Any
    ok: NDArray[np.bool_]
    X: Any
    reasons: Sequence[str]
    digests: NDArray[np.uint8] | None = None


@dataclass(frozen=True)
class Predictor:
    """Turns features into rows of predictions.

    Raises
    ------
    ConfigError
        The options do not suit the model's classes.
    """

    model: Model
    options: PredictionOptions

    def __post_init__(self) -> None:
        self.options.check_classes(self.model.class_names)

    @property
    def _top_k(self) -> int:
        return min(self.options.top_k, len(self.model.class_names))

    @cached_property
    def _names(self) -> Any:
        import pyarrow as pa

        return pa.array([printable(name) for name in self.model.class_names], pa.string())

    def table(self, block: RowBlock) -> Any:
        """Return a ``pyarrow.Table`` with one row for each sample of ``block``, in order.

        Columns: id, predicted, probability, [top_classes, top_probabilities], [p_<class> …],
        status, reason. Where there is nothing to say a cell is null; ``reason`` is then a text.
        """
        import pyarrow as pa

        n, places = len(block.ok), np.flatnonzero(block.ok)
        proba = self._probabilities(block)
        codes = self._decide(proba)
        best = proba[np.arange(len(codes)), codes]
        status = np.full(n, ERROR, np.int8)
        unsure = self._unsure(best)
        status[places] = np.where(unsure, UNSURE, 0)
        columns = {
            "id": block.ids,
            "predicted": self._classes(_scatter(codes, places, n), status != 0),
            "probability": pa.array(_scatter(best, places, n), pa.float32(), mask=~block.ok),
            **self._top(proba, block.ok),
            **self._all(proba, block.ok),
            "status": pa.DictionaryArray.from_arrays(status, pa.array(STATUSES)),
            "reason": self._reasons(block, codes, places[unsure], unsure),
        }
        if block.digests is not None:
            columns["digest"] = pa.array(list(map(bytes, block.digests)), pa.binary(32))
        return pa.table(columns, metadata={TOP_K: str(self._top_k)})

    def _probabilities(self, block: RowBlock) -> NDArray[np.float32]:
        if not len(block.X):
            return np.zeros((0, len(self.model.class_names)), np.float32)
        n_rows, n_features = block.X.shape
        step = max(64, PREDICT_BYTES // (4 * n_features))
        parts = [self.model.predict_proba(block.X[i : i + step]) for i in range(0, n_rows, step)]
        return np.concatenate(parts).astype(np.float32, copy=False)

    def _decide(self, proba: NDArray[np.float32]) -> NDArray[np.int64]:
        limit = self.options.threshold
        codes: NDArray[Any] = proba.argmax(axis=1) if limit is None else proba[:, 1] >= limit
        return codes.astype(np.int64, copy=False)

    def _unsure(self, best: NDArray[np.float32]) -> NDArray[np.bool_]:
        limit = self.options.abstain_below
        return np.zeros(len(best), np.bool_) if limit is None else best < limit

    def _classes(self, codes: NDArray[np.int64], null: NDArray[np.bool_]) -> Any:
        import pyarrow as pa

        return pa.DictionaryArray.from_arrays(pa.array(codes, pa.int32(), mask=null), self._names)

    def _top(self, proba: NDArray[np.float32], ok: NDArray[np.bool_]) -> dict[str, Any]:
        import pyarrow as pa

        k = self._top_k
        if not k:
            return {}
        best = _best_columns(proba, k)
        offsets = np.concatenate([[0], np.cumsum(ok * k)]).astype(np.int32)
        starts = pa.array(offsets, pa.int32(), mask=np.append(~ok, False))
        names = self._names.take(pa.array(best.ravel()))
        values = pa.array(np.take_along_axis(proba, best, axis=1).ravel(), pa.float32())
        return {
            "top_classes": pa.ListArray.from_arrays(starts, names),
            "top_probabilities": pa.ListArray.from_arrays(starts, values),
        }

    def _all(self, proba: NDArray[np.float32], ok: NDArray[np.bool_]) -> dict[str, Any]:
        import pyarrow as pa

        if not self.options.probabilities:
            return {}
        places, n = np.flatnonzero(ok), len(ok)
        columns = np.ascontiguousarray(proba.T)
        return {
            f"p_{name}": pa.array(_scatter(column, places, n), pa.float32(), mask=~ok)
            for name, column in zip(self._names.to_pylist(), columns, strict=True)
        }

    def _reasons(
        self,
        block: RowBlock,
        codes: NDArray[np.int64],
        places: NDArray[np.int64],
        unsure: NDArray[np.bool_],
    ) -> Any:
        import pyarrow as pa

        if block.ok.all() and not unsure.any():
            return pa.repeat("", len(block.ok))
        reasons = [printable(reason) for reason in block.reasons]
        limit = f"below {self.options.abstain_below:g}" if unsure.any() else ""
        for place, code in zip(places.tolist(), codes[unsure].tolist(), strict=True):
            reasons[place] = f"{limit}; the best guess is {self._names[code].as_py()}"
        return pa.array(reasons, pa.string())


def id_array(ids: StringColumn, start: int, stop: int) -> Any:
    """Return the ids from ``start`` to ``stop`` as a ``pyarrow.StringArray`` of valid Unicode."""
    import pyarrow as pa

    offsets = ids.offsets[start : stop + 1]
    data = pa.py_buffer(np.ascontiguousarray(ids.data[offsets[0] : offsets[-1]]))
    shifted = pa.py_buffer((offsets - offsets[0]).astype(np.int32))
    found = pa.StringArray.from_buffers(stop - start, shifted, data)
    try:
        found.validate(full=True)
    except pa.ArrowInvalid:
        return pa.array([printable(ids[i]) for i in range(start, stop)], pa.string())
    return found


def printable(text: str) -> str:
    """Return ``text`` as valid Unicode; bytes of a name that are no UTF-8 become ``\\xNN``."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _scatter(values: NDArray[Any], places: NDArray[np.int64], n: int) -> NDArray[Any]:
    if len(values) == n:
        return values
    spread = np.zeros(n, values.dtype)
    spread[places] = values
    return spread


def _best_columns(proba: NDArray[np.float32], k: int) -> NDArray[np.int64]:
    """Return the columns of the k largest numbers of each row, largest first, ``(n, k)``."""
    if proba.shape[1] <= FULL_SORT_CLASSES:
        return np.argsort(-proba, axis=1, kind="stable")[:, :k]
    found = np.sort(np.argpartition(-proba, k - 1, axis=1)[:, :k], axis=1)
    order = np.argsort(-np.take_along_axis(proba, found, axis=1), axis=1, kind="stable")
    best: NDArray[np.int64] = np.take_along_axis(found, order, axis=1)
    return best
