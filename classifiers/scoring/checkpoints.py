"""Checkpoints of a scoring run: what a run that is killed leaves for the next one.

Finished rows are Arrow files in the work folder. A file's name holds its range of rows and the
SHA-256 of all that decides them: model, options, ids, and the digests or stamps of the samples. A
file that has its name is whole and is used again; where an input changed, the name is another.

The head predicts rows in fixed groups, so that a result does not depend on where a run was killed.
Predictions are therefore saved in whole groups, and the features of the group in progress beside
them.
"""

from __future__ import annotations

import hashlib
import json
import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from ...cache import StringColumn
from ...cache.errors import CacheWriteError
from ...cache.format.atomic import atomic_path
from .row_block import RowBlock

VERSION = 2
NAME = re.compile(r"(\d{12})-(\d{12})-[0-9a-f]{32}(-cached)?\.(rows|features)\.arrow")
LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True)
class CheckpointKey:
    """What decides the content of every checkpoint.

    Attributes
    ----------
    job : mapping
        JSON types: digest of the model, options, rows that are predicted together.
    ids : StringColumn, length n
    marks : ndarray, shape (n, m)
        Digests or stamps: what changes when a sample changes.
    """

    job: Mapping[str, Any]
    ids: StringColumn
    marks: NDArray[Any]

    def digest(self, rows: range) -> str:
        """Return 32 hexadecimal digits for the inputs of ``rows``."""
        text = json.dumps([VERSION, dict(self.job)], sort_keys=True)
        state = hashlib.sha256(text.encode("utf-8"))
        offsets = self.ids.offsets[rows.start : rows.stop + 1]
        state.update((offsets - offsets[0]).tobytes())
        state.update(self.ids.data[offsets[0] : offsets[-1]].tobytes())
        state.update(self.marks[rows.start : rows.stop].tobytes())
        return state.hexdigest()[:32]


class Checkpoints:
    """The finished rows of one run.

    Parameters
    ----------
    folder : Path
    key : CheckpointKey
    keeps_features : bool
        The run also writes features to the cache: rows that were predicted without that are done
        again.
    """

    def __init__(self, folder: Path, key: CheckpointKey, keeps_features: bool) -> None:
        self._folder, self._key = folder, key
        self._suffix = "-cached" if keeps_features else ""
        self._needs_cached = keeps_features
        self._features: Path | None = None

    def missing(self) -> list[range]:
        """Return the ranges of rows that are not predicted yet, in order."""
        stops = [0, *(rows.stop for rows, _ in self._finished())]
        starts = [*(rows.start for rows, _ in self._finished()), len(self._key.ids)]
        return [range(a, b) for a, b in zip(stops, starts, strict=True) if a < b]

    def write_rows(self, tables: Sequence[tuple[int, Any]]) -> None:
        """Save predictions, whole or not at all; raises CacheWriteError.

        Parameters
        ----------
        tables : sequence of (start, Table)
            Of neighbouring rows, in order; ``start`` is the first row's index.
        """
        import pyarrow as pa

        (start, _), (last, table) = tables[0], tables[-1]
        rows = range(start, last + len(table))
        self._write(self._path(rows, "rows"), pa.concat_tables([table for _, table in tables]))
        LOGGER.debug("rows %d to %d saved", rows.start, rows.stop)

    def write_features(self, block: RowBlock) -> None:
        """Save features of a group in progress, in place of those saved before."""
        path = self._path(range(block.start, block.stop), "features")
        if path != self._features:
            self._write(path, block.to_table())
            self._drop_features()
            self._features = path

    def read_features(self, start: int) -> RowBlock | None:
        """Return the saved features of a group that begins at ``start``, or None."""
        import pyarrow as pa
        from pyarrow import feather

        for rows, path in self._valid("features"):
            if rows.start == start:
                try:
                    return RowBlock.from_table(start, feather.read_table(str(path)))
                except (OSError, pa.ArrowInvalid, KeyError):
                    path.unlink(missing_ok=True)
        return None

    def tables(self) -> Iterator[Any]:
        """Read the predictions of all rows in order.

        Raises
        ------
        CacheWriteError
            A checkpoint cannot be read; it is removed, so that the next run makes it anew.
        """
        import pyarrow as pa
        from pyarrow import feather

        for rows, path in self._finished():
            try:
                table = feather.read_table(str(path), memory_map=False)
                if len(table) != len(rows):
                    raise OSError(f"expected {len(rows)} rows, got {len(table)}")
            except (OSError, pa.ArrowInvalid) as error:
                path.unlink(missing_ok=True)
                raise CacheWriteError(
                    f"{path} cannot be read back ({error}): run the same command again"
                ) from error
            yield table

    def _finished(self) -> list[tuple[range, Path]]:
        """Return predicted ranges that do not overlap, in order, and their files."""
        finished: list[tuple[range, Path]] = []
        stop = 0
        for rows, path in self._valid("rows"):
            if rows.start >= stop:
                finished.append((rows, path))
                stop = rows.stop
        return finished

    def _valid(self, kind: str) -> list[tuple[range, Path]]:
        """Return the files of a kind whose inputs are unchanged; of one start, longest first."""
        valid = []
        for path in self._folder.glob(f"*.{kind}.arrow"):
            match = NAME.fullmatch(path.name)
            if match is None or (self._needs_cached and not match[3]):
                continue
            rows = range(int(match[1]), int(match[2]))
            is_known = rows.stop <= len(self._key.ids)
            if is_known and self._path(rows, kind, match[3] or "").name == path.name:
                valid.append((rows, path))
        return sorted(valid, key=lambda pair: (pair[0].start, -pair[0].stop))

    def _path(self, rows: range, kind: str, suffix: str | None = None) -> Path:
        suffix = self._suffix if suffix is None else suffix
        digest = self._key.digest(rows)
        return self._folder / f"{rows.start:012d}-{rows.stop:012d}-{digest}{suffix}.{kind}.arrow"

    def _write(self, path: Path, table: Any) -> None:
        from pyarrow import feather

        with atomic_path(path) as partial:
            feather.write_feather(table, str(partial), compression="lz4")

    def _drop_features(self) -> None:
        if self._features is not None:
            self._features.unlink(missing_ok=True)
