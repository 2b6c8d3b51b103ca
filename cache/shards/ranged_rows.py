"""Rows of a shard behind a URL of which few are read: their blocks are fetched, not the file."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ..format.container import ROWS, Container, open_container
from ..format.footer import outside_rows
from ..places.remote_path import RemotePath
from ..places.sparse_copy import SparseCopy
from .rows import Checked, MappedRows

TAIL_BYTES = 1 << 16


class RangedRows(MappedRows):
    """Rows that are fetched when they are read, a block at a time, and checked as mapped ones.

    Parameters
    ----------
    container : Container
    checked : Checked
    copy : SparseCopy
        Of the shard; all but the rows is there.
    """

    def __init__(self, container: Container, checked: Checked, copy: SparseCopy) -> None:
        super().__init__(container, checked)
        self.column = container.column
        self._copy = copy
        self._is_fetched = np.zeros(len(self._block_sums), np.bool_)

    def run(self, start: int, stop: int) -> NDArray[np.generic]:
        """Return rows ``start:stop``."""
        self._fetch(np.arange(start, stop))
        return super().run(start, stop)

    def gather(
        self,
        positions: NDArray[np.int64],
        out: NDArray[np.generic],
        out_rows: NDArray[np.int64],
    ) -> None:
        """Copy the rows at ``positions`` to ``out[out_rows]``."""
        self._fetch(positions)
        super().gather(positions, out, out_rows)

    def bad_rows(self) -> NDArray[np.int64]:
        """Check every row anew."""
        self._fetch(np.arange(self._info.shape[0]))
        return super().bad_rows()

    def _fetch(self, positions: NDArray[np.int64]) -> None:
        blocks = np.unique(positions // self._info.block_rows)
        blocks = blocks[~self._is_fetched[blocks]]
        runs = np.split(blocks, np.flatnonzero(np.diff(blocks) > 1) + 1) if len(blocks) else []
        offset, n_bytes = self._info.offset or 0, self._info.n_bytes
        block_bytes = self._info.block_rows * n_bytes // max(1, self._info.shape[0])
        self._copy.fetch(
            [
                (
                    offset + int(run[0]) * block_bytes,
                    offset + min(n_bytes, (int(run[-1]) + 1) * block_bytes),
                )
                for run in runs
            ]
        )
        self._is_fetched[blocks] = True


def open_ranges(path: RemotePath, kind: str) -> RangedRows | None:
    """Open a shard without its rows; None where they are compressed.

    Raises
    ------
    CacheFormatError
        The file is damaged, foreign, of another kind, or of a newer format.
    OSError
        The server or the disk refused.
    """
    copy = SparseCopy(path)
    try:
        tail = max(0, copy.n_bytes - TAIL_BYTES)
        copy.fetch([(tail, copy.n_bytes)])
        with copy.path.open("rb") as file:
            stretches = outside_rows(path, file.fileno())
        copy.fetch([(start, min(stop, tail)) for start, stop in stretches])
        container = replace(open_container(copy.path, kind), path=path)
    finally:
        copy.forget_name()
    if container.columns[ROWS].offset is None:
        return None
    return RangedRows(container, Checked(container), copy)
