"""ResultStore: what heads, sweeps and baselines have measured, with their predictions.

Below ``results/<features>`` stand ``<id>.json``, a result; ``<id>.<split>.h5``, the probabilities
that it gave to the rows of a split; and ``rows-<name>.h5``, those rows. The JSON is written last:
it never names what is not there.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import CacheFormatError, NewerFormatError
from ..layout import PREDICTIONS_SUFFIX, RESULT_SUFFIX, Layout
from ..spec import FeatureSpec
from .judged_rows import JudgedRows, read_predictions, read_rows, write_predictions, write_rows
from .result import SWEEP, Result, read_result, write_result
from .scores import Scores

LOGGER = logging.getLogger(__name__)


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
        """Return a result by its id; None where it cannot be read.

        Raises
        ------
        NewerFormatError
            A newer featx wrote it.
        """
        try:
            return read_result(self.layout.results(features) / f"{result_id}{RESULT_SUFFIX}")
        except NewerFormatError:
            raise
        except (OSError, CacheFormatError):
            return None

    def read(self, manifest: str | None = None) -> list[Result]:
        """Return the results on all features of one source, or of all, newest first.

        Parameters
        ----------
        manifest : str, optional
            The name of the source's snapshot.

        Raises
        ------
        NewerFormatError
            A newer featx wrote all of them; of some, a warning is logged.
        """
        newer: list[NewerFormatError] = []
        results = list(_read_all(self.layout.result_folders(), manifest, read_result, newer))
        kept = {_configuration(result) for result in results}
        earlier = _read_all(self.layout.sweep_folders(), manifest, self._read_earlier, newer)
        results += [result for result in earlier if _configuration(result) not in kept]
        if newer and not results:
            raise newer[0]
        if newer:
            LOGGER.warning("%d results are left out: %s", len(newer), newer[0])
        return sorted(results, key=lambda r: (r.created_ns, r.id), reverse=True)

    def _read_earlier(self, path: Path) -> Result:
        """Read what a sweep measured before results had ids and predictions."""
        features = path.parent.name
        backbone, layer = self._backbone(features.rpartition("@")[2])
        try:
            stored = json.loads(path.read_text(encoding="utf-8"))
            scores = Scores.from_dict(stored["scores"])
            return Result(
                id=path.stem,
                name=scores.head,
                kind=SWEEP,
                features=features,
                backbone=backbone,
                layer=layer,
                head=scores.head,
                params=scores.params,
                scores={scores.split: scores},
                model_bytes=int(stored["model_bytes"]),
                predict_rate=float(stored["predict_rate"]),
                convergence_note=str(stored.get("convergence_note", "")),
                created_ns=path.stat().st_mtime_ns,
            )
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise CacheFormatError(f"{path}: not a result ({error})") from error

    def _backbone(self, fingerprint: str) -> tuple[str, str]:
        """Return backbone and layer of the set whose fingerprint begins so; empty if it is gone."""
        for folder in self.layout.set_folders():
            if folder.name.startswith(fingerprint):
                with suppress(OSError, CacheFormatError):
                    text = self.layout.spec(folder.name).read_text(encoding="ascii")
                    spec = FeatureSpec.from_json(text)
                    return spec.backbone, spec.layer
        return "", ""

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


def _read_all(
    folders: Sequence[Path],
    manifest: str | None,
    read: Callable[[Path], Result],
    newer: list[NewerFormatError],
) -> Iterator[Result]:
    """Yield the results in the folders of one source, or of all, without damaged ones.

    Those of a newer featx go to ``newer``.
    """
    for folder in folders:
        if manifest is None or folder.name.rpartition("@")[0] == manifest:
            for path in sorted(folder.glob(f"*{RESULT_SUFFIX}")):
                try:
                    yield read(path)
                except NewerFormatError as error:
                    newer.append(error)
                except (FileNotFoundError, CacheFormatError):
                    continue


def _configuration(result: Result) -> tuple[str, str, str, tuple[str, ...]]:
    """Return what two records of one configuration have in common."""
    params = json.dumps(dict(result.params), sort_keys=True, default=str)
    judged = tuple(split for split in result.scores if split != "test")
    return result.features, result.head, params, judged
