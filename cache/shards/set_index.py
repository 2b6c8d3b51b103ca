"""The index of a set behind a URL: which rows are in which shard, without opening the shards.

A run that ends adds a file that names the shards that are new to the index. Each file is immutable;
together they are the index, and many become one. An index that lacks a shard, or names one that was
joined into another since, costs time and nothing else: shards are then listed and opened.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import CacheFormatError
from ..format.container import damaged, open_container, write_container
from ..format.strings import StringColumn
from ..layout import INDEX_FOLDER, SHARD_SUFFIX, list_folder
from ..manifest import DIGEST_BYTES, has_digest
from ..places.copies import refused
from ..places.remote_path import RemotePath
from ..spec import FeatureSpec
from .open_files import OPEN_FILES
from .ranged_rows import RangedRows, open_ranges
from .rows import Rows
from .shard import KIND as SHARD
from .shard import Shard, unique_name
from .shardset import ShardSet

KIND = "index"
MOST_FILES = 16
LARGE_BYTES = 32 << 20
LARGE_SHARE = 8
"""Of a shard with so many bytes, blocks are fetched until an eighth of its rows was read."""

OTHER_ROWS = "its rows are not those that the index names"


class IndexedShard(Shard):
    """A shard that is known from the index, and opened when its rows are read.

    Parameters
    ----------
    path : Path
    spec : FeatureSpec
    digests, views : ndarray, shapes (n_rows, 32) and (n_rows,)
    n_features : int
    """

    def __init__(
        self,
        path: Path,
        spec: FeatureSpec,
        digests: NDArray[np.uint8],
        views: NDArray[np.uint16],
        n_features: int,
    ) -> None:
        self._path, self._spec = path, spec
        self.digests, self.views, self.n_features = digests, views, n_features
        self._is_kept = False
        self._open = None
        self._is_opened = False
        self._n_read = 0

    @property
    def path(self) -> Path:
        """Where the shard lies."""
        return self._path

    @property
    def dtype(self) -> np.dtype[Any]:
        """Number format of the stored rows."""
        return np.dtype(self._spec.storage)

    @property
    def row_bytes(self) -> int:
        """Bytes of all rows, uncompressed."""
        return len(self) * self.n_features * self.dtype.itemsize

    @property
    def compression(self) -> str:
        """How the rows are compressed, or ``none``."""
        self._open_file()
        return super().compression

    @property
    def spec(self) -> FeatureSpec:
        """The spec that the rows were made under."""
        return self._spec

    def rows(self, start: int, stop: int) -> NDArray[Any]:
        """Return rows ``start:stop``, ``(stop - start, d)``, checked."""
        self._count(stop - start)
        return super().rows(start, stop)

    def gather(
        self, positions: NDArray[np.int64], out: NDArray[Any], out_rows: NDArray[np.int64]
    ) -> None:
        """Copy the rows at ``positions``, checked, to ``out[out_rows]``."""
        self._count(len(positions))
        super().gather(positions, out, out_rows)

    def bad_rows(self) -> NDArray[np.int64]:
        """Check every row and return the numbers of the damaged ones."""
        self._count(len(self))
        return super().bad_rows()

    def _count(self, n_rows: int) -> None:
        """Count rows that are read; the whole file is fetched once they are many."""
        self._n_read += n_rows
        if isinstance(self._open, RangedRows) and not self._reads_ranges:
            self._open = None

    @property
    def _reads_ranges(self) -> bool:
        """Whether so little of a large file was read that the rest is not fetched."""
        is_little = self._n_read * LARGE_SHARE <= len(self)
        return is_little and self.row_bytes >= LARGE_BYTES

    def _rows(self) -> Rows:
        path, rows = self._path, self._open
        if rows is None and self._reads_ranges and isinstance(path, RemotePath):
            rows = self._open = None if path.has_copy else self._open_ranges(path)
        if isinstance(rows, RangedRows):
            OPEN_FILES.touch(self)
            return rows
        self._open_file()
        return super()._rows()

    def _open_ranges(self, path: RemotePath) -> RangedRows | None:
        try:
            rows = open_ranges(path, SHARD)
        except FileNotFoundError:
            raise
        except OSError as error:
            raise refused(path, error) from error
        if rows and not np.array_equal(rows.column("digests"), self.digests):
            raise damaged(path, OTHER_ROWS)
        return rows

    def _open_file(self) -> None:
        if self._is_opened:
            return
        shard = Shard(self._path, self._spec.fingerprint, keep_open=False)
        if not np.array_equal(shard.digests, self.digests):
            raise damaged(self._path, OTHER_ROWS)
        self.container, self._checked = shard.container, shard._checked
        self._is_opened = True


@dataclass(frozen=True)
class ShardEntry:
    """What the index says of one shard."""

    n_features: int
    digests: NDArray[np.uint8]
    views: NDArray[np.uint16]


Entries = dict[str, ShardEntry]


def open_set(folder: Path, spec: FeatureSpec, digests: NDArray[np.uint8] | None = None) -> ShardSet:
    """Open the shards in ``folder``; behind a URL, by the index as far as that goes.

    Parameters
    ----------
    folder : Path
    spec : FeatureSpec
    digests : ndarray of uint8, shape (n, 32), optional
        The rows that are asked for: where the index names all, shards are not listed.

    Raises
    ------
    CacheError
        The system or the server refuses.
    """
    if not isinstance(folder, RemotePath):
        return ShardSet.open(folder, spec)
    indexed = {
        name: IndexedShard(folder / name, spec, entry.digests, entry.views, entry.n_features)
        for name, entry in sorted(_read_all(_index_files(folder), spec.fingerprint).items())
    }
    if indexed and digests is not None:
        opened = ShardSet(spec, list(indexed.values()))
        opened.folder = folder
        if (opened.index.find(digests[has_digest(digests)]) >= 0).all():
            return opened
    return ShardSet.open(folder, spec, indexed)


def index_shards(folder: Path, spec: FeatureSpec) -> None:
    """Add the shards that this machine has a copy of to the index; make one file of many.

    Raises
    ------
    CacheWriteError
        The server refused; the index is as it was.
    """
    files = _index_files(folder)
    entries = _read_all(files, spec.fingerprint)
    paths = list_folder(folder, SHARD_SUFFIX)
    new: Entries = {}
    for path in paths:
        if path.name not in entries and isinstance(path, RemotePath) and path.has_copy:
            with suppress(FileNotFoundError, CacheFormatError):
                shard = Shard(path, spec.fingerprint, keep_open=False)
                new[path.name] = ShardEntry(shard.n_features, shard.digests, shard.views)
    names = {path.name for path in paths}
    is_outdated = len(files) >= MOST_FILES or not names.issuperset(entries)
    if is_outdated:
        new |= {name: entry for name, entry in entries.items() if name in names}
    if new:
        _write(folder.parent / INDEX_FOLDER / f"{unique_name()}{SHARD_SUFFIX}", spec, new)
    for path in files if is_outdated else ():
        path.unlink(missing_ok=True)


def read_index(path: Path, fingerprint: str) -> Entries:
    """Read one file of an index; the shards by name.

    Raises
    ------
    CacheFormatError
        It is damaged, foreign, too new, or of another set.
    """
    container = open_container(path, KIND, keep_open=False)
    try:
        if container.attributes["fingerprint"] != fingerprint:
            raise ValueError("it is of another set")
        names = StringColumn(container.column("names"), container.column("name_offsets"))
        ends = np.cumsum(container.column("n_rows")).tolist()
        widths = container.column("n_features").tolist()
        digests, views = container.column("digests").copy(), container.column("views").copy()
        if digests.shape != (len(views), DIGEST_BYTES) or [*ends, 0][len(names) - 1] != len(views):
            raise ValueError("columns differ in length")
        rows = [slice(start, end) for start, end in zip([0, *ends[:-1]], ends, strict=True)]
        return {
            name: ShardEntry(width, digests[own], views[own])
            for name, width, own in zip(names, widths, rows, strict=True)
        }
    except (KeyError, TypeError, ValueError) as error:
        raise damaged(path, f"not a whole index ({error})") from error
    finally:
        container.close()


def _index_files(folder: Path) -> list[Path]:
    return list_folder(folder.parent / INDEX_FOLDER, SHARD_SUFFIX)


def _read_all(files: Sequence[Path], fingerprint: str) -> Entries:
    """Return what the files say together; a damaged one is left out, as one that went away."""
    entries: Entries = {}
    for path in files:
        with suppress(FileNotFoundError, CacheFormatError):
            entries |= read_index(path, fingerprint)
    return entries


def _write(path: Path, spec: FeatureSpec, entries: Mapping[str, ShardEntry]) -> None:
    shards = [entries[name] for name in sorted(entries)]
    names = StringColumn.from_strings(sorted(entries))
    columns: dict[str, NDArray[Any]] = {
        "names": names.data,
        "name_offsets": names.offsets,
        "n_rows": np.array([len(shard.digests) for shard in shards], np.int64),
        "n_features": np.array([shard.n_features for shard in shards], np.int64),
        "digests": np.concatenate([shard.digests for shard in shards]),
        "views": np.concatenate([shard.views for shard in shards]),
    }
    write_container(path, KIND, {"fingerprint": spec.fingerprint}, columns)
