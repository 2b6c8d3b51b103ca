"""One HDF5 file of named columns: how every HDF5 file of the cache is written and opened.

Each file says its kind and format version and ends in a footer (see ``footer``). Columns are
contiguous and uncompressed, so that their bytes can be mapped into memory. One column, the feature
rows of a shard, may be compressed. The footer does not cover it: it is checked as it is read.
"""

from __future__ import annotations

import errno
import mmap
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import h5py
import numpy as np
import xxhash
from numpy.typing import NDArray

from ..errors import CacheError, FeatxError
from ..places.remote_path import RemotePath
from . import version
from .atomic import atomic_path
from .checksums import block_rows, row_checksums
from .compression import NONE, check_filters, filter_arguments
from .footer import check_footer, damaged, make_footer
from .hdf5_writer import Hdf5Writer

__all__ = ["ROWS", "ColumnInfo", "Container", "damaged", "open_container", "write_container"]

ALIGNMENT = 64
ROWS = "X"
OPEN_ATTEMPTS = 10
SYSTEM_ERRORS = (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EACCES, errno.EPERM)


class Matrix(Protocol):
    """Rows ``(n, d)`` that are read as they are sliced: an array, or rows of several shards."""

    @property
    def shape(self) -> tuple[int, ...]:
        """``(n, d)``."""
        ...

    @property
    def dtype(self) -> np.dtype[Any]:
        """Number format."""
        ...

    def __getitem__(self, rows: slice, /) -> NDArray[Any]: ...


@dataclass(frozen=True)
class ColumnInfo:
    """Where a column stands in its file.

    Attributes
    ----------
    shape, dtype
        Of the array.
    offset : int or None
        Its first byte in the file; None where the column is compressed.
    block_rows : int
        Rows that one block checksum covers; 0 for columns that the footer covers.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    offset: int | None
    block_rows: int

    @property
    def n_bytes(self) -> int:
        """Bytes of the array."""
        return int(np.prod(self.shape, dtype=np.int64)) * self.dtype.itemsize


@dataclass
class Container:
    """A file of the cache that is open and was checked, feature rows aside.

    Attributes
    ----------
    path : Path
    attributes : mapping
    columns : mapping of str to ColumnInfo
    """

    path: Path
    attributes: Mapping[str, Any]
    columns: Mapping[str, ColumnInfo]
    _mapping: mmap.mmap | None = field(default=None, repr=False)

    def column(self, name: str) -> NDArray[Any]:
        """Map a column into memory, read-only."""
        info = self.columns[name]
        if not info.n_bytes:
            return np.zeros(info.shape, info.dtype)
        count = int(np.prod(info.shape, dtype=np.int64))
        values = np.frombuffer(self.mapping(), info.dtype, count, info.offset or 0)
        return values.reshape(info.shape)

    def mapping(self) -> mmap.mmap:
        """Return the whole file, mapped read-only."""
        mapping = self._mapping  # another thread may close it meanwhile
        if mapping is None:
            with self.path.open("rb") as file:
                mapping = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            self._mapping = mapping
        return mapping

    def close(self) -> None:
        """Let go of the file; mapping a column opens it again. Mapped arrays stay valid."""
        self._mapping = None


def write_container(
    path: Path,
    kind: str,
    attributes: Mapping[str, str | int],
    columns: Mapping[str, NDArray[Any]],
    rows: Matrix | None = None,
    compression: str = NONE,
) -> None:
    """Write ``columns`` to ``path``, whole or not at all.

    Parameters
    ----------
    path : Path
    kind : str
        What the file is, as ``open_container`` asks for it.
    attributes, columns : mapping
    rows : matrix (n, d), optional
        Feature rows, which become the column ``X`` with checksums of its own; read block by block.
    compression : str
        Of ``rows``.

    Raises
    ------
    CacheWriteError
        The file system refused.
    """
    arguments = filter_arguments(compression)
    with atomic_path(path) as partial, partial.open("x+b", buffering=0) as raw:
        writer = Hdf5Writer(raw)
        payload: list[tuple[int, int]] = []
        with h5py.File(
            writer,
            "w",
            libver=("v110", "v110"),
            alignment_threshold=1,
            alignment_interval=ALIGNMENT,
        ) as file:
            file.attrs["featx"] = kind
            file.attrs["format_version"] = version.FORMAT_VERSION
            for key, value in attributes.items():
                file.attrs[key] = value
            for name, column in columns.items():
                file.create_dataset(name, data=np.ascontiguousarray(column))
            if rows is not None:
                payload = _write_rows(file, rows, arguments)
        if writer.error is None:
            raw.seek(0, os.SEEK_END)
            writer.write(make_footer(raw.fileno(), payload))
        if writer.error is not None:
            raise writer.error


def _write_rows(file: Any, X: Matrix, arguments: Mapping[str, Any]) -> list[tuple[int, int]]:
    """Write the feature rows block by block, with checksums; return where their bytes lie."""
    n_rows, n_features = X.shape
    rows = block_rows(n_features * X.dtype.itemsize)
    is_compressed = bool(arguments) and bool(n_rows * n_features)
    chunks = (min(rows, n_rows), n_features) if is_compressed else None
    dataset = file.create_dataset(
        ROWS, X.shape, X.dtype, chunks=chunks, **(arguments if is_compressed else {})
    )
    dataset.attrs["block_rows"] = rows
    block_sums, row_sums = [], [np.zeros(0, np.uint64)]
    for start in range(0, n_rows, rows):
        block = np.ascontiguousarray(X[start : start + rows])
        dataset[start : start + rows] = block
        block_sums.append(xxhash.xxh3_64_intdigest(block.data))
        row_sums.append(row_checksums(block))
    payload = []
    if is_compressed:
        file.flush()
        # Damaged bytes must not reach a decompressor, so the compressed ones are hashed.
        stored = (dataset.id.read_direct_chunk((i, 0))[1] for i in range(0, n_rows, rows))
        block_sums = [xxhash.xxh3_64_intdigest(chunk) for chunk in stored]
        payload = stored_chunks(dataset)
    else:
        file.create_dataset("row_checksums", data=np.concatenate(row_sums))
        if n_rows * n_features:
            payload = [(dataset.id.get_offset(), n_rows * n_features * X.dtype.itemsize)]
    file.create_dataset("block_checksums", data=np.array(block_sums, np.uint64))
    return payload


def stored_chunks(dataset: Any) -> list[tuple[int, int]]:
    """Return first byte and length of each chunk of a compressed dataset, in order of rows."""
    infos = [dataset.id.get_chunk_info(i) for i in range(dataset.id.get_num_chunks())]
    infos.sort(key=lambda info: int(info.chunk_offset[0]))
    return [(int(info.byte_offset), int(info.size)) for info in infos]


def open_container(path: Path, kind: str, keep_open: bool = True) -> Container:
    """Open a file of the cache and check that it is what its name says.

    Parameters
    ----------
    path : Path
    kind : str
    keep_open : bool
        Map the file at once, so that it stays readable when its name goes away.

    Raises
    ------
    CacheFormatError
        The file is damaged, foreign, of another kind, or of a newer format.
    FileNotFoundError
        There is no such file.
    ConfigError
        The rows are compressed and hdf5plugin is not installed.
    CacheError
        The system refuses: no permission, too many open files.
    """
    try:
        for _ in range(OPEN_ATTEMPTS):
            container = _try_open(path, kind, keep_open)
            if container is not None:
                return container
    except (FeatxError, FileNotFoundError):
        raise
    # The footer was right, so this file was made wrong, not damaged since.
    except (OSError, KeyError, RuntimeError, TypeError, ValueError, AttributeError) as error:
        first_line = str(error).split("\n", 1)[0]
        if getattr(error, "errno", None) in SYSTEM_ERRORS:
            raise CacheError(f"{path}: cannot be opened ({first_line})") from error
        raise damaged(path, f"not readable as HDF5 ({first_line})") from error
    raise CacheError(f"{path} keeps being replaced while it is opened: try again")


def _try_open(path: Path, kind: str, keep_open: bool) -> Container | None:
    """Open ``path``, or return None where another file took its name meanwhile."""
    local = path.copy_path() if isinstance(path, RemotePath) else path
    with local.open("rb") as raw:
        check_footer(path, raw.fileno())
        try:
            file = h5py.File(local, "r", locking=False)
        except FileNotFoundError:
            return None
        with file:
            checked, opened = os.fstat(raw.fileno()), os.fstat(file.id.get_vfd_handle())
            if (checked.st_dev, checked.st_ino) != (opened.st_dev, opened.st_ino):
                return None
            attributes = dict(file.attrs)
            actual_kind = attributes.pop("featx", None)
            if actual_kind != kind:
                raise damaged(path, f"not a featx {kind} (found {actual_kind!r})")
            columns = {name: _column_info(file[name]) for name in file}
        mapping = mmap.mmap(raw.fileno(), 0, access=mmap.ACCESS_READ) if keep_open else None
        return Container(path, attributes, columns, mapping)


def _column_info(dataset: Any) -> ColumnInfo:
    if dataset.chunks:
        check_filters(dataset)
    offset = None if dataset.chunks else dataset.id.get_offset()
    rows = int(dataset.attrs.get("block_rows", 0))
    return ColumnInfo(dataset.shape, dataset.dtype, offset, rows)
