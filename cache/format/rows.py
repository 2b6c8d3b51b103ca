"""The feature rows of one shard: mapped where they lie bare, decompressed where they do not.

Both kinds compare every row with its checksum before it is handed out; mapped rows do so once.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import h5py
import numpy as np
import xxhash
from numpy.typing import NDArray

from ..errors import CacheError
from .checksums import row_bytes, row_checksums
from .container import ROWS, ColumnInfo, Container, damaged, stored_chunks

SHOWN_ROWS = 5


class Rows(Protocol):
    """Checked access to the rows of one column ``(n_rows, d)``."""

    def run(self, start: int, stop: int) -> NDArray[Any]:
        """Return rows ``start:stop``; raises CacheFormatError where one is not what was written."""
        ...

    def gather(
        self, positions: NDArray[np.int64], out: NDArray[Any], places: NDArray[np.int64]
    ) -> None:
        """Copy the rows at ``positions`` to ``out[places]``; raises CacheFormatError likewise.

        ``out`` is C-contiguous, ``(n, d)``, of the rows' dtype.
        """
        ...

    def bad_rows(self) -> NDArray[np.int64]:
        """Check every row anew and return the numbers of those that are damaged, ascending."""
        ...


class MappedRows:
    """Rows that are contiguous and uncompressed in their file."""

    def __init__(self, container: Container) -> None:
        self._path = container.path
        self._info: ColumnInfo = container.columns[ROWS]
        self._X = container.column(ROWS)
        self._block_sums = container.column("block_checksums")
        self._row_sums = container.column("row_checksums")
        self._block_ok = np.zeros(len(self._block_sums), np.bool_)
        self._row_ok = np.zeros(len(self._X), np.bool_)

    def run(self, start: int, stop: int) -> NDArray[Any]:
        """Return rows ``start:stop``, mapped and not copied."""
        info = self._info
        blocks = np.arange(start // info.block_rows, -(-stop // info.block_rows))
        for block in blocks[~self._block_ok[blocks]]:
            self._check_block(int(block))
        return self._X[start:stop]

    def gather(
        self, positions: NDArray[np.int64], out: NDArray[Any], places: NDArray[np.int64]
    ) -> None:
        """Copy the rows at ``positions`` to ``out[places]`` without touching their neighbours."""
        known = self._row_ok[positions] | self._block_ok[positions // self._info.block_rows]
        found = _copy_rows(self._X, positions, out, places, hashed=not known.all())
        if not len(found):
            return
        bad = positions[found != self._row_sums[positions]]
        if len(bad):
            raise _damaged_rows(self._path, np.unique(bad))
        self._row_ok[positions] = True

    def bad_rows(self) -> NDArray[np.int64]:
        """Check every row anew."""
        bad = [np.zeros(0, np.int64)]
        for block in range(len(self._block_sums)):
            values = self._block(block)
            if xxhash.xxh3_64_intdigest(values.data) != int(self._block_sums[block]):
                bad.append(self._bad_in_block(block, values))
        return np.concatenate(bad)

    def _block(self, block: int) -> NDArray[Any]:
        first = block * self._info.block_rows
        return self._X[first : first + self._info.block_rows]

    def _check_block(self, block: int) -> None:
        values = self._block(block)
        if xxhash.xxh3_64_intdigest(values.data) != int(self._block_sums[block]):
            raise _damaged_rows(self._path, self._bad_in_block(block, values))
        self._block_ok[block] = True

    def _bad_in_block(self, block: int, values: NDArray[Any]) -> NDArray[np.int64]:
        first = block * self._info.block_rows
        bad = np.flatnonzero(row_checksums(values) != self._row_sums[first : first + len(values)])
        # Should no single row disagree, then a checksum is what was hit: trust none of the block.
        return first + (bad if len(bad) else np.arange(len(values)))


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
        self, positions: NDArray[np.int64], out: NDArray[Any], places: NDArray[np.int64]
    ) -> None:
        """Copy the rows at ``positions``; every chunk that holds one is decompressed once."""
        owners = positions // self._info.block_rows
        for block in np.unique(owners).tolist():
            mine = owners == block
            rows = self._rows_of(block)
            values = self.run(int(rows[0]), int(rows[-1]) + 1)
            out[places[mine]] = values[positions[mine] - rows[0]]

    def bad_rows(self) -> NDArray[np.int64]:
        """Check every row anew; a chunk is damaged as a whole."""
        bad = [self._rows_of(b) for b in range(len(self._sums)) if not self._is_whole(b)]
        return np.concatenate([np.zeros(0, np.int64), *bad])

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


class LateRows:
    """Rows of a shard whose file is opened when the first of them is read."""

    def __init__(self, path: Path, make: Callable[[], Rows]) -> None:
        self._path, self._make = path, make
        self._rows: Rows | None = None

    def run(self, start: int, stop: int) -> NDArray[Any]:
        """Return rows ``start:stop``."""
        return self._open().run(start, stop)

    def gather(
        self, positions: NDArray[np.int64], out: NDArray[Any], places: NDArray[np.int64]
    ) -> None:
        """Copy the rows at ``positions`` to ``out[places]``."""
        self._open().gather(positions, out, places)

    def bad_rows(self) -> NDArray[np.int64]:
        """Check every row anew."""
        return self._open().bad_rows()

    def _open(self) -> Rows:
        if self._rows is None:
            try:
                self._rows = self._make()
            except FileNotFoundError as error:
                raise CacheError(
                    f"{self._path} was joined into another shard or removed since it was listed: "
                    "run the command again"
                ) from error
        return self._rows


def open_rows(container: Container, at_once: bool) -> Rows:
    """Open the rows of ``container``, now or when the first is read."""
    info = container.columns[ROWS]
    kind = ChunkedRows if info.offset is None and info.n_bytes else MappedRows
    if at_once:
        return kind(container)
    return LateRows(container.path, lambda: kind(container))


def _copy_rows(
    X: NDArray[Any],
    positions: NDArray[np.int64],
    out: NDArray[Any],
    places: NDArray[np.int64],
    hashed: bool,
) -> NDArray[np.uint64]:
    """Copy rows one by one and, where wanted, hash each while it is in the processor's cache."""
    width = row_bytes(X)
    source, target = X.data.cast("B"), out.data.cast("B")
    digest = xxhash.xxh3_64_intdigest
    found: list[int] = []
    for position, place in zip(
        (positions * width).tolist(), (places * width).tolist(), strict=True
    ):
        row = target[place : place + width]
        row[:] = source[position : position + width]
        if hashed:
            found.append(digest(row))
    return np.array(found, np.uint64)


def _damaged_rows(path: Path, rows: NDArray[np.int64]) -> Exception:
    if len(rows) > SHOWN_ROWS:
        which = f"{len(rows)} rows between {rows[0]} and {rows[-1]} fail their checksum"
    else:
        which = f"row{'s' * (len(rows) > 1)} {', '.join(map(str, rows))} fail their checksum"
    return damaged(path, which)
