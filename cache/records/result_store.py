"""ResultStore: what heads, sweeps and baselines have measured, with their predictions.

Below ``results/<features>`` stand ``<id>.json``, a result; ``<id>.<split>.h5``, the probabilities
that it gave to the rows of a split; and ``rows-<name>.h5``, those rows. The JSON is written last:
it never names what is not there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import CacheFormatError
from ..layout import PREDICTIONS_SUFFIX, RESULT_SUFFIX, Layout
from .judged_rows import JudgedRows, read_predictions, read_rows, write_predictions, write_rows
from .result import Result, read_result, write_result


@dataclass(frozen=True)
class Predictions:
    """The rows of one split and the probabilities that a model gave them.

    Attributes
    ----------
    rows : JudgedRows
    probabilities : ndarray of float, shape (n_samples, n_classes)
        Columns in the order of ``rows.class_names``.
    """

    rows: JudgedRows
    probabilities: NDArray[Any]

    @property
    def y(self) -> NDArray[np.int64]:
        """True classes, ``(n_samples,)``."""
        return self.rows.y


class ResultStore:
    """The results of one cache.

    Parameters
    ----------
    layout : Layout
    """

    def __init__(self, layout: Layout) -> None:
        self.layout = layout

    def put(self, result: Result, predictions: Mapping[str, Predictions]) -> Result:
        """Keep a result with its predictions by split; return it as it is kept.

        Scores of other splits that the same configuration has already stay.

        Raises
        ------
        CacheWriteError
            The file system refused; an earlier result is still there.
        """
        folder = self.layout.results(result.features)
        for split, one in predictions.items():
            path = folder / f"rows-{one.rows.name}{PREDICTIONS_SUFFIX}"
            if not path.exists():
                write_rows(path, one.rows)
            write_predictions(self._path(result, split), one.probabilities, one.rows)
        rows = {split: one.rows.name for split, one in predictions.items()}
        earlier = self.get(result.features, result.id)
        if earlier is not None:
            result = replace(result, scores={**earlier.scores, **result.scores})
            rows = {**earlier.rows, **rows}
        result = replace(result, rows=rows)
        write_result(folder / f"{result.id}{RESULT_SUFFIX}", result)
        return result

    def get(self, features: str, result_id: str) -> Result | None:
        """Return a result by its id; None where it cannot be read."""
        with suppress(OSError, CacheFormatError):
            return read_result(self.layout.results(features) / f"{result_id}{RESULT_SUFFIX}")
        return None

    def read(self, manifest: str | None = None) -> list[Result]:
        """Return the results on all features of one source, or of all, newest first.

        Parameters
        ----------
        manifest : str, optional
            The name of the source's snapshot.
        """
        return sorted(self._read(manifest), key=lambda r: (r.created_ns, r.id), reverse=True)

    def _read(self, manifest: str | None) -> Iterator[Result]:
        for folder in self.layout.result_folders():
            if manifest is None or folder.name.rpartition("@")[0] == manifest:
                for path in sorted(folder.glob(f"*{RESULT_SUFFIX}")):
                    with suppress(FileNotFoundError, CacheFormatError):
                        yield read_result(path)

    def predictions(self, result: Result, split: str) -> Predictions | None:
        """Read a result's predictions on a split; None where none are kept.

        Raises
        ------
        CacheFormatError
            They are damaged.
        """
        name = result.rows.get(split)
        if name is None:
            return None
        folder = self.layout.results(result.features)
        try:
            rows = read_rows(folder / f"rows-{name}{PREDICTIONS_SUFFIX}")
            return Predictions(rows, read_predictions(self._path(result, split), name))
        except FileNotFoundError:
            return None

    def _path(self, result: Result, split: str) -> Path:
        folder = self.layout.results(result.features)
        return folder / f"{result.id}.{split}{PREDICTIONS_SUFFIX}"
