"""One HDF5 file of named columns: how every HDF5 file of the cache is written and checked.

Each file says its kind and format version; each column carries xxHash (XXH3, 64 bit) checksums over
blocks of rows, so that one flipped byte is found without reading the rest. Columns are contiguous
and uncompressed: their bytes can be mapped into memory.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import xxhash
from numpy.typing import NDArray

from .atomic import atomic_path
from .errors import CacheFormatError
from .spec import FORMAT_VERSION

BLOCK_BYTES = 1 << 16


@dataclass(frozen=True)
class ColumnInfo:
    """Where a column stands in its file and what its blocks must hash to.

    Attributes
    ----------
    shape, dtype, offset
        The array's shape and dtype; ``offset`` is its first byte in the file.
    block_rows : int
        Rows a checksum covers.
    checksums : ndarray of uint64, shape (n_blocks,)
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    offset: int
    block_rows: int
    checksums: NDArray[np.uint64]


@dataclass(frozen=True)
class Container:
    """A file of the cache that has been opened and found well formed."""

    path: Path
    attributes: Mapping[str, Any]
    columns: Mapping[str, ColumnInfo]

    def map(self, name: str) -> NDArray[Any]:
        """Map a column into memory, read-only and unchecked."""
        info = self.columns[name]
        if 0 in info.shape:
            return np.zeros(info.shape, info.dtype)
        return np.memmap(self.path, info.dtype, "r", info.offset, info.shape)

    def read(self, name: str) -> NDArray[Any]:
        """Read a whole column and compare its checksums.

        Raises
        ------
        CacheFormatError
            A byte of the column is not what was written.
        """
        values: NDArray[Any] = np.array(self.map(name))
        bad = damaged_blocks(self.columns[name], values)
        if len(bad):
            raise damaged(self.path, f"column {name!r} fails its checksum")
        return values


def damaged(path: Path, what: str) -> CacheFormatError:
    """Return the error for a file that cannot be trusted."""
    return CacheFormatError(
        f"{path}: {what}. Run `featx cache verify` to list every damaged file and "
        "`featx cache repair` to set them aside; the next extract refills the rows."
    )


def write_container(
    path: Path, kind: str, attributes: Mapping[str, str | int], columns: Mapping[str, NDArray[Any]]
) -> None:
    """Write ``columns`` to ``path``, whole or not at all.

    Raises
    ------
    CacheWriteError
        The file system refused.
    """
    with atomic_path(path) as partial, h5py.File(partial, "w", libver=("v110", "v110")) as file:
        file.attrs["featx"] = kind
        file.attrs["format_version"] = FORMAT_VERSION
        for key, value in attributes.items():
            file.attrs[key] = value
        for name, column in columns.items():
            _write_column(file, name, np.ascontiguousarray(column))


def _write_column(file: Any, name: str, values: NDArray[Any]) -> None:
    rows = block_rows(values.shape, values.dtype)
    dataset = file.create_dataset(name, data=values)
    dataset.attrs["block_rows"] = rows
    file.create_dataset(f"checksums/{name}", data=block_checksums(values, rows))


def open_container(path: Path, kind: str) -> Container:
    """Open a file of the cache and check that it is what its name says.

    Raises
    ------
    CacheFormatError
        The file is truncated, foreign, of another kind, or of a newer format.
    """
    try:
        with h5py.File(path, "r") as file:
            attributes = dict(file.attrs)
            found = attributes.get("featx")
            if found != kind:
                raise damaged(path, f"not a featx {kind} (found {found!r})")
            version = int(attributes["format_version"])
            if version > FORMAT_VERSION:
                raise CacheFormatError(
                    f"{path}: written by a newer featx (format {version}, this version reads up "
                    f"to {FORMAT_VERSION}): upgrade featx"
                )
            names = [name for name in file if name != "checksums"]
            columns = {name: _column_info(file, name) for name in names}
    except (OSError, KeyError, RuntimeError, TypeError) as error:
        raise damaged(path, f"not readable as HDF5 ({error})") from error
    _check_extent(path, columns)
    return Container(path, attributes, columns)


def _column_info(file: Any, name: str) -> ColumnInfo:
    dataset = file[name]
    checksums: NDArray[np.uint64] = file[f"checksums/{name}"][()]
    offset = dataset.id.get_offset()
    if offset is None and dataset.size:
        raise KeyError(f"column {name!r} is not contiguous")
    rows = int(dataset.attrs["block_rows"])
    return ColumnInfo(dataset.shape, dataset.dtype, offset or 0, rows, checksums)


def _check_extent(path: Path, columns: Mapping[str, ColumnInfo]) -> None:
    n_bytes = path.stat().st_size
    for name, info in columns.items():
        end = info.offset + int(np.prod(info.shape)) * info.dtype.itemsize
        if end > n_bytes:
            raise damaged(path, f"truncated: column {name!r} ends at byte {end} of {n_bytes}")


def block_rows(shape: tuple[int, ...], dtype: np.dtype[Any]) -> int:
    """Return how many rows of such an array one checksum covers."""
    row_bytes = int(np.prod(shape[1:], dtype=np.int64)) * dtype.itemsize
    return max(1, BLOCK_BYTES // max(1, row_bytes))


def block_checksums(values: NDArray[Any], rows: int) -> NDArray[np.uint64]:
    """Hash ``values`` in blocks of ``rows`` rows with XXH3-64; returns ``(n_blocks,)``."""
    starts = range(0, len(values), rows)
    hashes = (xxhash.xxh3_64_intdigest(values[i : i + rows]) for i in starts)
    return np.fromiter(hashes, np.uint64, len(starts))


def damaged_blocks(info: ColumnInfo, values: NDArray[Any]) -> NDArray[np.int64]:
    """Return the numbers of the blocks of ``values`` that fail their checksum."""
    found = block_checksums(values, info.block_rows)
    if found.shape != info.checksums.shape:
        return np.arange(max(len(found), 1), dtype=np.int64)
    return np.flatnonzero(found != info.checksums)
