"""One HDF5 file of named columns: how every HDF5 file of the cache is written and opened.

Each file says its kind and format version; each column carries checksums over blocks of rows, so
that a flipped byte is found without reading the rest. Columns are contiguous and uncompressed by
default: their bytes can be mapped into memory.
"""

from __future__ import annotations

import errno
import json
import mmap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import xxhash
from numpy.typing import NDArray

from .atomic import atomic_path
from .checksums import block_checksums, block_rows, row_bytes, row_checksums, streamed_checksums
from .compression import check_filters, filter_arguments
from .errors import CacheError, CacheFormatError, FeatxError, NewerFormatError
from .sink import Sink
from .spec import FORMAT_VERSION

ALIGNMENT = 64
BLOCK_SUMS = "checksums"
ROW_SUMS = "row_checksums"
NOT_THE_FILES_FAULT = (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EACCES, errno.EPERM)
# What h5py raises on damaged metadata, as flipping every byte of a small file shows.
UNREADABLE = (OSError, KeyError, RuntimeError, TypeError, ValueError, AttributeError)


@dataclass(frozen=True)
class ColumnInfo:
    """Where a column stands in its file and what its blocks must hash to.

    Attributes
    ----------
    name : str
    shape, dtype
        Of the array.
    offset : int or None
        Its first byte in the file; None where the column is compressed.
    block_rows : int
        Rows a checksum covers.
    checksums : ndarray of uint64, shape (n_blocks,)
    """

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    offset: int | None
    block_rows: int
    checksums: NDArray[np.uint64]

    @property
    def n_bytes(self) -> int:
        """Bytes of the array."""
        return int(np.prod(self.shape, dtype=np.int64)) * self.dtype.itemsize


@dataclass
class Container:
    """A file of the cache that has been opened and found well formed.

    Attributes
    ----------
    path : Path
    attributes : mapping
    columns, row_sums : mapping of str to ColumnInfo
        The columns, and the columns of checksums of single rows.
    """

    path: Path
    attributes: Mapping[str, Any]
    columns: Mapping[str, ColumnInfo]
    row_sums: Mapping[str, ColumnInfo]
    _mapping: mmap.mmap | None = field(default=None, repr=False)

    def map(self, info: ColumnInfo) -> NDArray[Any]:
        """Map a column into memory, read-only and unchecked."""
        if not info.n_bytes:
            return np.zeros(info.shape, info.dtype)
        if self._mapping is None:
            with self.path.open("rb") as file:
                self._mapping = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        count = int(np.prod(info.shape, dtype=np.int64))
        return np.frombuffer(self._mapping, info.dtype, count, info.offset or 0).reshape(info.shape)

    def column(self, name: str) -> NDArray[Any]:
        """Map a column that was checked when the file was opened."""
        return self.map(self.columns[name])

    def close(self) -> None:
        """Let go of the file; mapping a column opens it again. Mapped arrays stay valid."""
        self._mapping = None


def damaged(path: Path, what: str) -> CacheFormatError:
    """Return the error for a file that cannot be trusted."""
    return CacheFormatError(
        f"{path}: {what}. Run `featx cache verify` to list every damaged file and "
        "`featx cache repair` to set them aside; the next extract refills the rows."
    )


def write_container(
    path: Path,
    kind: str,
    attributes: Mapping[str, str | int],
    columns: Mapping[str, NDArray[Any]],
    compressed: Mapping[str, str] | None = None,
) -> None:
    """Write ``columns`` to ``path``, whole or not at all.

    Parameters
    ----------
    path : Path
    kind : str
        What the file is, as ``open_container`` asks for it.
    attributes, columns : mapping
    compressed : mapping of str to str, optional
        Which columns of rows get checksums of single rows, and their compression or ``none``.

    Raises
    ------
    CacheWriteError
        The file system refused.
    """
    arguments = {name: filter_arguments(value) for name, value in (compressed or {}).items()}
    with atomic_path(path) as partial, partial.open("x+b", buffering=0) as raw:
        sink = Sink(raw)
        with h5py.File(
            sink,
            "w",
            libver=("v110", "v110"),
            alignment_threshold=1,
            alignment_interval=ALIGNMENT,
        ) as file:
            _write_attributes(file, kind, attributes)
            for name, column in columns.items():
                _write_column(file, name, np.ascontiguousarray(column), arguments.get(name))
        if sink.error is not None:
            raise sink.error


def _write_attributes(file: Any, kind: str, attributes: Mapping[str, str | int]) -> None:
    file.attrs["featx"] = kind
    file.attrs["format_version"] = FORMAT_VERSION
    file.attrs["attributes_checksum"] = _attributes_checksum(attributes)
    for key, value in attributes.items():
        file.attrs[key] = value


def _attributes_checksum(attributes: Mapping[str, Any]) -> np.uint64:
    plain = {k: v if isinstance(v, str) else int(v) for k, v in attributes.items()}
    return np.uint64(xxhash.xxh3_64_intdigest(json.dumps(plain, sort_keys=True).encode("ascii")))


def _write_column(
    file: Any, name: str, values: NDArray[Any], arguments: Mapping[str, Any] | None
) -> None:
    rows = block_rows(values.shape, values.dtype)
    chunked = bool(arguments) and values.size > 0
    if chunked:
        chunks = (min(rows, len(values)), *values.shape[1:])
        dataset = file.create_dataset(name, data=values, chunks=chunks, **(arguments or {}))
    else:
        dataset = file.create_dataset(name, data=values)
    dataset.attrs["block_rows"] = rows
    file.create_dataset(f"{BLOCK_SUMS}/{name}", data=block_checksums(values, rows))
    if arguments is not None and not chunked:
        file.create_dataset(f"{ROW_SUMS}/{name}", data=row_checksums(values))


def open_container(
    path: Path, kind: str, check: Sequence[str] | None = (), keep_open: bool = True
) -> Container:
    """Open a file of the cache and check that it is what its name says.

    Parameters
    ----------
    path : Path
    kind : str
    check : sequence of str or None
        Columns whose every byte is compared with its checksums; None stands for all.
    keep_open : bool
        Map the file at once, so that it stays readable when its name goes away.

    Raises
    ------
    CacheFormatError
        The file is damaged, foreign, of another kind, or of a newer format.
    FileNotFoundError
        There is no such file.
    ConfigError
        A column is compressed and hdf5plugin is not installed.
    CacheError
        The system refuses: no permission, too many open files.
    """
    try:
        with h5py.File(path, "r", locking=False) as file:
            container = _open(path, file, kind)
            descriptor = file.id.get_vfd_handle()
            for name in container.columns if check is None else check:
                _check_column(path, descriptor, container.columns[name])
            if keep_open:
                container._mapping = mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ)
            return container
    except (FeatxError, FileNotFoundError):
        raise
    except UNREADABLE as error:
        first_line = str(error).split("\n", 1)[0]
        if getattr(error, "errno", None) in NOT_THE_FILES_FAULT:
            raise CacheError(f"{path}: cannot be opened ({first_line})") from error
        raise damaged(path, f"not readable as HDF5 ({first_line})") from error


def _open(path: Path, file: Any, kind: str) -> Container:
    attributes = dict(file.attrs)
    found = attributes.pop("featx", None)
    if found != kind:
        raise damaged(path, f"not a featx {kind} (found {found!r})")
    version = int(attributes.pop("format_version"))
    if version > FORMAT_VERSION:
        raise NewerFormatError(
            f"{path}: written by a newer featx (format {version}, this version reads up to "
            f"{FORMAT_VERSION}): upgrade featx"
        )
    checksum = attributes.pop("attributes_checksum")
    if checksum != _attributes_checksum(attributes):
        raise damaged(path, "its attributes fail their checksum")
    names = [name for name in file if name not in (BLOCK_SUMS, ROW_SUMS)]
    columns = {name: _column_info(file, name) for name in names}
    row_sums = {name: _row_sums_info(file, name) for name in file.get(ROW_SUMS, ())}
    _check_extent(path, [*columns.values(), *row_sums.values()])
    return Container(path, attributes, columns, row_sums)


def _column_info(file: Any, name: str) -> ColumnInfo:
    dataset = file[name]
    checksums: NDArray[np.uint64] = file[f"{BLOCK_SUMS}/{name}"][()]
    if dataset.chunks:
        check_filters(dataset)
    rows = int(dataset.attrs["block_rows"])
    if len(checksums) != -(-dataset.shape[0] // rows):
        raise KeyError(f"column {name!r} has {len(checksums)} checksums")
    offset = None if dataset.chunks else dataset.id.get_offset()
    return ColumnInfo(name, dataset.shape, dataset.dtype, offset, rows, checksums)


def _row_sums_info(file: Any, name: str) -> ColumnInfo:
    dataset = file[f"{ROW_SUMS}/{name}"]
    none = np.zeros(0, np.uint64)
    return ColumnInfo(name, dataset.shape, dataset.dtype, dataset.id.get_offset(), 1, none)


def _check_extent(path: Path, infos: Sequence[ColumnInfo]) -> None:
    n_bytes = path.stat().st_size
    for info in infos:
        if info.offset is not None and info.offset + info.n_bytes > n_bytes:
            end = info.offset + info.n_bytes
            raise damaged(path, f"truncated: column {info.name!r} ends at byte {end} of {n_bytes}")


def _check_column(path: Path, descriptor: int, info: ColumnInfo) -> None:
    if len(bad_blocks(descriptor, info)):
        raise damaged(path, f"column {info.name!r} fails its checksum")


def bad_blocks(descriptor: int, info: ColumnInfo) -> NDArray[np.int64]:
    """Return the numbers of a contiguous column's blocks that fail their checksums."""
    block = info.block_rows * max(1, row_bytes(info.shape, info.dtype))
    found = np.fromiter(
        streamed_checksums(descriptor, info.offset or 0, info.n_bytes, block), np.uint64
    )
    if found.shape != info.checksums.shape:
        return np.arange(len(info.checksums), dtype=np.int64)
    return np.flatnonzero(found != info.checksums)
