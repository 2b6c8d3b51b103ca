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

from .checksums import block_checksums, row_bytes, row_checksums
from .container import ColumnInfo, Container, damaged
from .errors import CacheError

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

    def __init__(self, container: Container, name: str) -> None:
        self._path = container.path
        self._info: ColumnInfo = container.columns[name]
        self._X = container.map(self._info)
        self._sums = container.map(container.row_sums[name])
        self._block_ok = np.zeros(len(self._info.checksums), np.bool_)
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
        bad = positions[found != self._sums[positions]]
        if len(bad):
            raise _damaged_rows(self._path, np.unique(bad))
        self._row_ok[positions] = True

    def bad_rows(self) -> NDArray[np.int64]:
        """Check every row anew."""
        info = self._info
        bad = [np.zeros(0, np.int64)]
        for block in range(len(info.checksums)):
            values = self._block(block)
            if xxhash.xxh3_64_intdigest(values.data) != int(info.checksums[block]):
                bad.append(self._bad_in_block(block, values))
        return np.concatenate(bad)

    def _block(self, block: int) -> NDArray[Any]:
        first = block * self._info.block_rows
        return self._X[first : first + self._info.block_rows]

    def _check_block(self, block: int) -> None:
        values = self._block(block)
        if xxhash.xxh3_64_intdigest(values.data) != int(self._info.checksums[block]):
            raise _damaged_rows(self._path, self._bad_in_block(block, values))
        self._block_ok[block] = True

    def _bad_in_block(self, block: int, values: NDArray[Any]) -> NDArray[np.int64]:
        first = block * self._info.block_rows
        bad = np.flatnonzero(row_checksums(values) != self._sums[first : first + len(values)])
        # Should no single row disagree, then a checksum is what was hit: trust none of the block.
        return first + (bad if len(bad) else np.arange(len(values)))


class ChunkedRows:
    """Rows that are compressed; each chunk is a block and is checked whenever it is read."""

    def __init__(self, container: Container, name: str) -> None:
        self._path = container.path
        self._info: ColumnInfo = container.columns[name]
        self._file: Any = None

    def open(self) -> None:
        """Open the file, so that it stays readable when its name goes away."""
        self._dataset()

    def run(self, start: int, stop: int) -> NDArray[Any]:
        """Return rows ``start:stop``, decompressed."""
        rows = self._info.block_rows
        first = start // rows
        blocks = [self._read(block) for block in range(first, -(-stop // rows))]
        whole = np.concatenate(blocks) if len(blocks) != 1 else blocks[0]
        return whole[start - first * rows : stop - first * rows]

    def gather(
        self, positions: NDArray[np.int64], out: NDArray[Any], places: NDArray[np.int64]
    ) -> None:
        """Copy the rows at ``positions``; every chunk that holds one is decompressed once."""
        owners = positions // self._info.block_rows
        for block in np.unique(owners):
            mine = owners == block
            local = positions[mine] - block * self._info.block_rows
            out[places[mine]] = self._read(int(block))[local]

    def bad_rows(self) -> NDArray[np.int64]:
        """Check every row anew; a chunk is damaged as a whole."""
        rows, n_rows = self._info.block_rows, self._info.shape[0]
        bad = [np.zeros(0, np.int64)]
        for block in range(len(self._info.checksums)):
            if self._try_read(block) is None:
                bad.append(np.arange(block * rows, min((block + 1) * rows, n_rows)))
        return np.concatenate(bad)

    def _read(self, block: int) -> NDArray[Any]:
        values = self._try_read(block)
        if values is None:
            first = block * self._info.block_rows
            last = min(first + self._info.block_rows, self._info.shape[0])
            raise _damaged_rows(self._path, np.arange(first, last))
        return values

    def _try_read(self, block: int) -> NDArray[Any] | None:
        dataset = self._dataset()
        first = block * self._info.block_rows
        try:
            values: NDArray[Any] = dataset[first : first + self._info.block_rows]
        except (OSError, RuntimeError, ValueError):
            return None
        good = block_checksums(values, max(1, len(values)))[0] == self._info.checksums[block]
        return values if good else None

    def _dataset(self) -> Any:
        if self._file is None:
            self._file = h5py.File(self._path, "r", locking=False)
        return self._file[self._info.name]


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


def open_rows(container: Container, name: str, at_once: bool) -> Rows:
    """Open the rows of ``container``, now or when the first is read."""

    def make() -> Rows:
        if container.columns[name].offset is not None or not container.columns[name].n_bytes:
            return MappedRows(container, name)
        rows = ChunkedRows(container, name)
        rows.open()
        return rows

    return make() if at_once else LateRows(container.path, make)


def _copy_rows(
    X: NDArray[Any],
    positions: NDArray[np.int64],
    out: NDArray[Any],
    places: NDArray[np.int64],
    hashed: bool,
) -> NDArray[np.uint64]:
    """Copy rows one by one and, where wanted, hash each while it is in the processor's cache."""
    width = row_bytes(X.shape, X.dtype)
    source, target = X.data.cast("B"), out.data.cast("B")
    digest = xxhash.xxh3_64_intdigest
    found: list[int] = []
    for position, place in zip(
        (positions * width).tolist(), (places * width).tolist(), strict=True
    ):
        target[place : place + width] = source[position : position + width]
        if hashed:
            found.append(digest(target[place : place + width]))
    return np.array(found, np.uint64)


def _damaged_rows(path: Path, rows: NDArray[np.int64]) -> Exception:
    if len(rows) > SHOWN_ROWS:
        which = f"{len(rows)} rows between {rows[0]} and {rows[-1]} fail their checksum"
    else:
        which = f"row{'s' * (len(rows) > 1)} {', '.join(map(str, rows))} fail their checksum"
    return damaged(path, which)
