"""The feature rows of one shard: mapped where they lie bare, decompressed where they do not.

Both kinds compare every row with its checksum before it is handed out; mapped rows do so once.
"""

from __future__ import annotations

import mmap
from pathlib import Path
from typing import Any, Protocol

import h5py
import numpy as np
import xxhash
from numpy.typing import NDArray

from ..format.checksums import row_bytes, row_checksums
from ..format.container import ROWS, ColumnInfo, Container, damaged, stored_chunks

SHOWN_ROWS = 5


class Rows(Protocol):
    """Checked access to the rows of one column ``(n_rows, d)``."""

    def run(self, start: int, stop: int) -> NDArray[Any]:
        """Return rows ``start:stop``; raises CacheFormatError where one is not what was written."""
        ...

    def gather(
        self, positions: NDArray[np.int64], out: NDArray[Any], out_rows: NDArray[np.int64]
    ) -> None:
        """Copy the rows at ``positions`` to ``out[out_rows]``; raises CacheFormatError likewise.

        ``out`` is C-contiguous, ``(n, d)``, of the rows' dtype.
        """
        ...

    def bad_rows(self) -> NDArray[np.int64]:
        """Check every row anew and return the numbers of those that are damaged, ascending."""
        ...

    def release_pages(self) -> None:
        """Give the memory of pages that were read back; they are read anew when needed."""
        ...


class MappedRows:
    """Rows that are contiguous and uncompressed in their file.

    Parameters
    ----------
    container : Container
    checked : Checked
        Which rows were compared with their checksum before, also while the file was open earlier.
    """

    def __init__(self, container: Container, checked: Checked) -> None:
        self._path = container.path
        self._info: ColumnInfo = container.columns[ROWS]
        self._X = container.column(ROWS)
        self._mapping = container.mapping()
        self._block_sums = container.column("block_checksums")
        self._row_sums = container.column("row_checksums")
        self._checked = checked

    def run(self, start: int, stop: int) -> NDArray[Any]:
        """Return rows ``start:stop``, mapped and not copied."""
        block_rows = self._info.block_rows
        blocks = np.arange(start // block_rows, -(-stop // block_rows))
        for block in blocks[~self._checked.blocks[blocks]]:
            self._check_block(int(block))
        return self._X[start:stop]

    def gather(
        self, positions: NDArray[np.int64], out: NDArray[Any], out_rows: NDArray[np.int64]
    ) -> None:
        """Copy the rows at ``positions`` to ``out[out_rows]`` without touching their neighbours."""
        checked = self._checked
        is_checked = checked.rows[positions] | checked.blocks[positions // self._info.block_rows]
        hashes = _copy_rows(self._X, positions, out, out_rows, hashed=not is_checked.all())
        if not len(hashes):
            return
        bad = positions[hashes != self._row_sums[positions]]
        if len(bad):
            raise _damaged_rows(self._path, np.unique(bad))
        checked.rows[positions] = True

    def bad_rows(self) -> NDArray[np.int64]:
        """Check every row anew."""
        bad = [np.zeros(0, np.int64)]
        for block in range(len(self._block_sums)):
            values = self._block(block)
            if xxhash.xxh3_64_intdigest(values.data) != int(self._block_sums[block]):
                bad.append(self._bad_in_block(block, values))
        return np.concatenate(bad)

    def release_pages(self) -> None:
        """Give the memory of pages that were read back."""
        self._mapping.madvise(mmap.MADV_DONTNEED)

    def _block(self, block: int) -> NDArray[Any]:
        first = block * self._info.block_rows
        return self._X[first : first + self._info.block_rows]

    def _check_block(self, block: int) -> None:
        values = self._block(block)
        if xxhash.xxh3_64_intdigest(values.data) != int(self._block_sums[block]):
            raise _damaged_rows(self._path, self._bad_in_block(block, values))
        self._checked.blocks[block] = True

    def _bad_in_block(self, block: int, values: NDArray[Any]) -> NDArray[np.int64]:
        first = block * self._info.block_rows
        bad = np.flatnonzero(row_checksums(values) != self._row_sums[first : first + len(values)])
        # Where no single row disagrees, a checksum itself is damaged: trust none of the block.
        return first + (bad if len(bad) else np.arange(len(values)))


class Checked:
    """Which blocks and rows of a shard have been compared with their checksums."""

    def __init__(self, container: Container) -> None:
        shapes = {name: info.shape for name, info in container.columns.items()}
        self.blocks = np.zeros(shapes["block_checksums"], np.bool_)
        self.rows = np.zeros(shapes[ROWS][0], np.bool_)


class ChunkedRows:
    """Rows that are compressed; a chunk is a block, checked before it is decompressed."""

    def __init__(self, container: Container) -> None:
        self._path = container.path
        self._info: ColumnInfo = container.columns[ROWS]
        self._sums = container.column("block_checksums")
        self._mapping = container.mapping()
        self._dataset = h5py.File(container.path, "r", locking=False)[ROWS]
        self._stretches = stored_chunks(self._dataset)

    def run(self, start: int, stop: int) -> NDArray[Any]:
        """Return rows ``start:stop``, decompressed."""
        for block in range(start // self._info.block_rows, -(-stop // self._info.block_rows)):
            self._check(block)
        rows: NDArray[Any] = self._dataset[start:stop]
        return rows

    def gather(
        self, positions: NDArray[np.int64], out: NDArray[Any], out_rows: NDArray[np.int64]
    ) -> None:
        """Copy the rows at ``positions``; every chunk that holds one is decompressed once."""
        blocks = positions // self._info.block_rows
        for block in np.unique(blocks).tolist():
            in_block = blocks == block
            rows = self._rows_of(block)
            values = self.run(int(rows[0]), int(rows[-1]) + 1)
            out[out_rows[in_block]] = values[positions[in_block] - rows[0]]

    def bad_rows(self) -> NDArray[np.int64]:
        """Check every row anew; a chunk is damaged as a whole."""
        bad = [self._rows_of(b) for b in range(len(self._sums)) if not self._is_whole(b)]
        return np.concatenate([np.zeros(0, np.int64), *bad])

    def release_pages(self) -> None:
        """Give the memory of pages that were read back."""
        self._mapping.madvise(mmap.MADV_DONTNEED)

    def _rows_of(self, block: int) -> NDArray[np.int64]:
        first = block * self._info.block_rows
        return np.arange(first, min(first + self._info.block_rows, self._info.shape[0]))

    def _check(self, block: int) -> None:
        if not self._is_whole(block):
            raise _damaged_rows(self._path, self._rows_of(block))

    def _is_whole(self, block: int) -> bool:
        start, length = self._stretches[block]
        stored = memoryview(self._mapping)[start : start + length]
        return xxhash.xxh3_64_intdigest(stored) == int(self._sums[block])


def open_rows(container: Container, checked: Checked) -> Rows:
    """Open the rows of ``container``."""
    info = container.columns[ROWS]
    if info.offset is None and info.n_bytes:
        return ChunkedRows(container)
    return MappedRows(container, checked)


def _copy_rows(
    X: NDArray[Any],
    positions: NDArray[np.int64],
    out: NDArray[Any],
    out_rows: NDArray[np.int64],
    hashed: bool,
) -> NDArray[np.uint64]:
    """Copy rows one by one and, where wanted, hash each while it is in the processor's cache."""
    width = row_bytes(X)
    source, target = X.data.cast("B"), out.data.cast("B")
    digest = xxhash.xxh3_64_intdigest
    hashes: list[int] = []
    starts = zip((positions * width).tolist(), (out_rows * width).tolist(), strict=True)
    for source_start, target_start in starts:
        row = target[target_start : target_start + width]
        row[:] = source[source_start : source_start + width]
        if hashed:
            hashes.append(digest(row))
    return np.array(hashes, np.uint64)


def _damaged_rows(path: Path, rows: NDArray[np.int64]) -> Exception:
    if len(rows) > SHOWN_ROWS:
        which = f"{len(rows)} rows between {rows[0]} and {rows[-1]} fail their checksum"
    else:
        which = f"row{'s' * (len(rows) > 1)} {', '.join(map(str, rows))} fail their checksum"
    return damaged(path, which)
