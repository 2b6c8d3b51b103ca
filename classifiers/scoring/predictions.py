"""Predictions: the classes and probabilities of neighbouring rows, as one Arrow table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...cache import StringColumn
from ...cache.errors import ConfigError
from ..models.model import Model
from ..models.novelty import why_without_novelty
from .outputs.formats.record import TOP_K, UNLIKE
from .outputs.provenance import printable
from .row_block import RowBlock, binary_column

STATUSES = ("ok", "unsure", "error")
UNSURE, ERROR = STATUSES.index("unsure"), STATUSES.index("error")
FULL_SORT_CLASSES = 64
# So many bytes of features are predicted together: temporary arrays stay in the processor's cache.
GROUP_BYTES = 2 << 20


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

    unlike_rate : float or None
        A column ``unlike``: whether an image is unlike the training images. At most this share of
        images that are like them is flagged.

    Raises
    ------
    ConfigError
        A number is outside its range.
    """

    top_k: int = 0
    probabilities: bool = False
    threshold: float | None = None
    abstain_below: float | None = None
    unlike_rate: float | None = None

    def __post_init__(self) -> None:
        if self.top_k < 0:
            raise ConfigError(f"top_k counts from 1 (0: none), got {self.top_k}")
        for name in ("threshold", "abstain_below", "unlike_rate"):
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
class Predictor:
    """Turns features into rows of predictions.

    Attributes
    ----------
    model : Model
    options : PredictionOptions
    sample_ids : StringColumn
    n_views : int
        Of each image, whose features stand side by side, the image itself first: the probabilities
        are their mean.

    Raises
    ------
    ConfigError
        The options do not suit the model's classes.
    """

    model: Model
    options: PredictionOptions
    sample_ids: StringColumn
    n_views: int = 1

    def __post_init__(self) -> None:
        self.options.check_classes(self.model.class_names)
        if self.options.unlike_rate is not None and self.model.novelty is None:
            raise ConfigError(f"--flag-unlike: {why_without_novelty(self.model.head_name)}")

    @property
    def group_rows(self) -> int:
        """How many neighbouring samples the head predicts together.

        Groups begin at multiples of this number, whatever is predicted in one call: the rounding
        of a matrix product can depend on its number of rows.
        """
        return max(64, GROUP_BYTES // (4 * self._width))

    @property
    def _width(self) -> int:
        return int(self.model.head.n_features_in_)

    @cached_property
    def _names(self) -> Any:
        import pyarrow as pa

        return pa.array([printable(name) for name in self.model.class_names], pa.string())

    def table(self, block: RowBlock) -> Any:
        """Return a ``pyarrow.Table`` with one row for each sample of ``block``, in order.

        Columns: id, predicted, probability, [top_classes, top_probabilities], [p_<class> …],
        [unlike], status, reason, [digest]. Where there is nothing to say a cell is null; ``reason``
        is then an empty text.
        """
        first = -block.start % self.group_rows
        borders = [0, *range(first, len(block.ok), self.group_rows), len(block.ok)]
        rows = np.concatenate([[0], np.cumsum(block.ok)])[borders].tolist()
        cuts = [(a, b) for a, b in pairwise(rows) if a < b]
        parts = [self.model.mean_proba(block.X[a:b], self.n_views) for a, b in cuts]
        empty = np.zeros((0, len(self.model.class_names)), np.float32)
        proba = np.concatenate(parts or [empty]).astype(np.float32, copy=False)
        flags = [self._flags(block.X[a:b]) for a, b in cuts]
        return self._as_table(block, proba, np.concatenate([np.zeros(0, np.bool_), *flags]))

    def _flags(self, X: Any) -> NDArray[np.bool_]:
        """Return which rows are unlike the training rows; none where nobody asked.

        Images themselves are judged, not their random views.
        """
        rate, novelty = self.options.unlike_rate, self.model.novelty
        if rate is None or novelty is None:
            return np.zeros(len(X), np.bool_)
        return novelty.flag(X if self.n_views == 1 else X[:, : self._width], rate)

    def empty_table(self) -> Any:
        """Return a table without rows, as ``table`` returns them."""
        no_features = np.zeros((0, self.n_views * self._width), np.float32)
        return self.table(RowBlock(0, np.zeros(0, np.bool_), no_features, ()))

    def _as_table(
        self, block: RowBlock, proba: NDArray[np.float32], flags: NDArray[np.bool_]
    ) -> Any:
        import pyarrow as pa

        limit = self.options.threshold
        decisive = self.model.decisive(proba)
        codes = (
            decisive.argmax(axis=1) if limit is None else (proba[:, 1] >= limit).astype(np.int64)
        )
        best = proba[np.arange(len(codes)), codes]
        status = np.full(len(block.ok), ERROR, np.int8)
        status[block.ok] = np.where(best < (self.options.abstain_below or 0), UNSURE, 0)
        best_codes = pa.array(_scatter(codes, block.ok), pa.int32())
        shown = pa.array(_scatter(codes, block.ok), pa.int32(), mask=status != 0)
        columns = {
            "id": id_array(self.sample_ids, block.start, block.stop),
            "predicted": pa.DictionaryArray.from_arrays(shown, self._names),
            "probability": pa.array(_scatter(best, block.ok), pa.float32(), mask=~block.ok),
            **self._top(proba, block.ok),
            **self._all(proba, block.ok),
            **self._unlike(flags, block.ok),
            "status": pa.DictionaryArray.from_arrays(status, pa.array(STATUSES)),
            "reason": self._reasons(block, best_codes, status == UNSURE),
        }
        if block.digests is not None:
            columns["digest"] = binary_column(block.digests)
        return pa.table(columns, metadata={TOP_K: str(self._top_k)})

    @property
    def _top_k(self) -> int:
        return min(self.options.top_k, len(self.model.class_names))

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
        columns = np.ascontiguousarray(proba.T)
        return {
            f"p_{name}": pa.array(_scatter(column, ok), pa.float32(), mask=~ok)
            for name, column in zip(self._names.to_pylist(), columns, strict=True)
        }

    def _unlike(self, flags: NDArray[np.bool_], ok: NDArray[np.bool_]) -> dict[str, Any]:
        import pyarrow as pa

        if self.options.unlike_rate is None:
            return {}
        return {UNLIKE: pa.array(_scatter(flags, ok), pa.bool_(), mask=~ok)}

    def _reasons(self, block: RowBlock, best: Any, is_unsure: NDArray[np.bool_]) -> Any:
        import pyarrow as pa

        if block.ok.all() and not is_unsure.any():
            return pa.repeat("", len(block.ok))
        reasons = [printable(reason) for reason in block.reasons]
        for row in np.flatnonzero(is_unsure).tolist():
            name = self._names[best[row].as_py()].as_py()
            reasons[row] = f"below {self.options.abstain_below:g}; the best guess is {name}"
        return pa.array(reasons, pa.string())


def id_array(ids: StringColumn, start: int, stop: int) -> Any:
    """Return the ids from ``start`` to ``stop`` as a ``pyarrow.StringArray`` of valid Unicode."""
    import pyarrow as pa

    offsets = ids.offsets[start : stop + 1]
    data = pa.py_buffer(np.ascontiguousarray(ids.data[offsets[0] : offsets[-1]]))
    shifted = pa.py_buffer((offsets - offsets[0]).astype(np.int32))
    strings = pa.StringArray.from_buffers(stop - start, shifted, data)
    try:
        strings.validate(full=True)
    except pa.ArrowInvalid:
        return pa.array([printable(ids[i]) for i in range(start, stop)], pa.string())
    return strings


def _scatter(values: NDArray[Any], ok: NDArray[np.bool_]) -> NDArray[Any]:
    """Spread the values of the samples that have features over all samples."""
    if len(values) == len(ok):
        return values
    spread = np.zeros(len(ok), values.dtype)
    spread[ok] = values
    return spread


def _best_columns(proba: NDArray[np.float32], k: int) -> NDArray[np.int64]:
    """Return the columns of the k largest numbers of each row, largest first, ``(n, k)``."""
    if proba.shape[1] <= FULL_SORT_CLASSES:
        return np.argsort(-proba, axis=1, kind="stable")[:, :k]
    largest = np.sort(np.argpartition(-proba, k - 1, axis=1)[:, :k], axis=1)
    order = np.argsort(-np.take_along_axis(proba, largest, axis=1), axis=1, kind="stable")
    best: NDArray[np.int64] = np.take_along_axis(largest, order, axis=1)
    return best
