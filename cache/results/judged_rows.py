"""The rows that a result was measured on, and the probabilities that it gave them, on disk.

The rows stand in one file for all results that were measured on them, the probabilities in one file
for each result and split. Both are containers with a checksum.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..format.container import damaged, open_container, write_container
from ..format.strings import StringColumn

ROWS_KIND, PREDICTIONS_KIND = "judged rows", "predictions"
NAME_DIGITS = 16
LARGEST_FLOAT32 = 1 << 24


@dataclass(frozen=True)
class JudgedRows:
    """Rows with all that matches them between models.

    Attributes
    ----------
    sample_ids : StringColumn, n rows
    digests : ndarray of uint8, shape (n, 32)
        Of the images' bytes.
    y : ndarray of int64, shape (n,)
        True classes, indices into ``class_names``.
    class_names : tuple of str
    """

    sample_ids: StringColumn
    digests: NDArray[np.uint8]
    y: NDArray[np.int64]
    class_names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.y)

    @cached_property
    def name(self) -> str:
        """The beginning of a SHA-256 over rows and classes: equal rows have equal names."""
        state = hashlib.sha256()
        for column in (self.digests, self.y, self.sample_ids.offsets, self.sample_ids.data):
            state.update(np.ascontiguousarray(column).tobytes())
        state.update("\0".join(self.class_names).encode("utf-8", "surrogateescape"))
        return state.hexdigest()[:NAME_DIGITS]


def write_rows(path: Path, rows: JudgedRows) -> None:
    """Write ``rows`` to ``path`` atomically; raises CacheWriteError."""
    columns: dict[str, NDArray[Any]] = {
        "sample_ids": rows.sample_ids.data,
        "sample_id_offsets": rows.sample_ids.offsets,
        "digests": rows.digests,
        "labels": rows.y,
    }
    write_container(path, ROWS_KIND, {"class_names": json.dumps(list(rows.class_names))}, columns)


def read_rows(path: Path) -> JudgedRows:
    """Read what ``write_rows`` wrote; raises CacheFormatError where the file is damaged."""
    container = open_container(path, ROWS_KIND)
    try:
        return JudgedRows(
            StringColumn(
                container.column("sample_ids"), container.column("sample_id_offsets"), True
            ),
            container.column("digests"),
            container.column("labels"),
            tuple(json.loads(container.attributes["class_names"])),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise damaged(path, f"not a whole list of rows ({error})") from error


def write_predictions(path: Path, probabilities: NDArray[Any], rows: JudgedRows) -> None:
    """Write the probabilities ``(n, n_classes)`` that a model gave to ``rows``, atomically.

    They are kept as float32, so that every metric and curve that is drawn from them equals the one
    that was measured: float16 would turn probabilities below 6e-8 into 0 and tie the ranks of
    others. Matrices of more than 16 million numbers are kept as float16.

    Raises
    ------
    CacheWriteError
        The file system refused.
    """
    dtype = np.float32 if probabilities.size <= LARGEST_FLOAT32 else np.float16
    columns = {"probabilities": probabilities.astype(dtype, copy=False)}
    write_container(path, PREDICTIONS_KIND, {"rows": rows.name}, columns)


def read_predictions(path: Path, rows_name: str) -> NDArray[np.float32]:
    """Read probabilities ``(n, n_classes)``, as float32.

    Raises
    ------
    CacheFormatError
        The file is damaged, or holds the predictions of other rows.
    FileNotFoundError
        There is none.
    """
    container = open_container(path, PREDICTIONS_KIND)
    if container.attributes.get("rows") != rows_name:
        raise damaged(path, "it holds the predictions of other rows")
    try:
        return np.array(container.column("probabilities"), np.float32)
    except KeyError as error:
        raise damaged(path, f"no predictions in it ({error})") from error


def check_predictions(path: Path) -> None:
    """Recompute the checksum of a file of rows or predictions; raises CacheFormatError."""
    open_container(path, ROWS_KIND if path.name.startswith("rows-") else PREDICTIONS_KIND)
