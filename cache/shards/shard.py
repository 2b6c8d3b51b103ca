"""A shard: one immutable file of feature rows."""

from __future__ import annotations

import time
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..batch import FeatureBatch, to_storage
from ..format.compression import NONE
from ..format.container import ROWS, Container, Matrix, damaged, open_container, write_container
from ..layout import SHARD_SUFFIX
from ..manifest import DIGEST_BYTES
from ..spec import FeatureSpec
from .open_files import OPEN_FILES
from .rows import Checked, Rows, open_rows

KIND = "shard"


def unique_name() -> str:
    """Return a name that no other process or machine takes; names sort by their time.

    The layout is that of UUID version 7 (RFC 9562): 48 bits of milliseconds, then random bits.
    """
    random = uuid.uuid4().int & ((1 << 80) - 1)
    number = (time.time_ns() // 1_000_000 & ((1 << 48) - 1)) << 80 | random
    number = number & ~(0xF << 76) | 0x7 << 76
    return uuid.UUID(int=number).hex


def write_shard(
    folder: Path, spec: FeatureSpec, batches: Sequence[FeatureBatch], compression: str = NONE
) -> Path:
    """Write ``batches`` as one new shard in ``folder``; returns its path.

    Raises
    ------
    CacheWriteError
        The file system refused; no shard appears.
    ConfigError
        A number does not fit the spec's storage, or the compression needs a missing package.
    """
    digests = np.concatenate([batch.digests for batch in batches])
    X = to_storage(np.concatenate([batch.X for batch in batches]), spec.storage)
    views = np.full(len(digests), spec.view, np.uint16)
    return write_rows(folder, spec, (digests, views, X), compression)


def write_rows(
    folder: Path,
    spec: FeatureSpec,
    columns: tuple[NDArray[np.uint8], NDArray[np.uint16], Matrix],
    compression: str,
) -> Path:
    """Write digests ``(n, 32)``, views ``(n,)`` and rows ``(n, d)`` as one new shard."""
    path = folder / f"{unique_name()}{SHARD_SUFFIX}"
    attributes: dict[str, str | int] = {
        "fingerprint": spec.fingerprint,
        "spec": spec.to_json(),
        "compression": compression,
    }
    digests, views, X = columns
    write_container(path, KIND, attributes, {"digests": digests, "views": views}, X, compression)
    return path


def copy_rows(shard: Shard, rows: NDArray[np.int64]) -> Path:
    """Write ``rows`` of ``shard``, checked, as a new shard beside it."""
    X = np.empty((len(rows), shard.n_features), shard.dtype)
    shard.gather(rows, X, np.arange(len(rows)))
    columns = (shard.digests[rows], shard.views[rows], X)
    return write_rows(shard.path.parent, shard.spec, columns, shard.compression)


class Shard:
    """A shard opened for reading; its rows are checked against their checksums as they are read.

    Parameters
    ----------
    path : Path
    fingerprint : str
        Of the set that the shard must belong to.
    keep_open : bool
        Map the file for good, so that its rows stay readable when ``compact`` or ``gc`` removes its
        name. Else it is opened when its rows are read, and may be closed in between.

    Attributes
    ----------
    digests : ndarray of uint8, shape (n_rows, 32)
    views : ndarray of uint16, shape (n_rows,)
    n_features : int

    Raises
    ------
    CacheFormatError
        The file is damaged, foreign, too new, or belongs to another set.
    FileNotFoundError
        There is no such file (any more); also when its rows are read.
    """

    def __init__(self, path: Path, fingerprint: str, keep_open: bool = True) -> None:
        self.container: Container = open_container(path, KIND, keep_open)
        if self.container.attributes.get("fingerprint") != fingerprint:
            raise damaged(path, "its fingerprint is not that of the folder it lies in")
        try:
            shapes = {name: info.shape for name, info in self.container.columns.items()}
            n_rows, self.n_features = shapes[ROWS]
            if shapes["digests"] != (n_rows, DIGEST_BYTES) or shapes["views"] != (n_rows,):
                raise ValueError("columns differ in length")
            self._checked = Checked(self.container)
        except (KeyError, ValueError) as error:
            raise damaged(path, f"columns are missing or misshapen ({error})") from error
        self.digests: NDArray[np.uint8] = self.container.column("digests")
        self.views: NDArray[np.uint16] = self.container.column("views")
        self._is_kept = keep_open
        self._open: Rows | None = None
        if keep_open:
            self._open = open_rows(self.container, self._checked)
        else:
            self.digests, self.views = self.digests.copy(), self.views.copy()
            self.container.close()

    def __len__(self) -> int:
        return len(self.digests)

    @property
    def path(self) -> Path:
        """Where the shard lies."""
        return self.container.path

    @property
    def dtype(self) -> np.dtype[Any]:
        """Number format of the stored rows."""
        return self.container.columns[ROWS].dtype

    @property
    def row_bytes(self) -> int:
        """Bytes of all rows, uncompressed."""
        return self.container.columns[ROWS].n_bytes

    @property
    def compression(self) -> str:
        """How the rows are compressed, or ``none``."""
        return str(self.container.attributes.get("compression", NONE))

    @property
    def spec(self) -> FeatureSpec:
        """The spec that the rows were made under."""
        return FeatureSpec.from_json(str(self.container.attributes["spec"]))

    def rows(self, start: int, stop: int) -> NDArray[Any]:
        """Return rows ``start:stop``, ``(stop - start, d)``, checked.

        They are mapped where they lie bare in a file that is kept open, and copied elsewhere: an
        array that a reader holds must not keep a file open for which there is no room.

        Raises
        ------
        CacheFormatError
            A row is not what was written.
        """
        rows = self._rows().run(start, stop)
        return rows if self._is_kept or rows.flags.owndata else rows.copy()

    def gather(
        self, positions: NDArray[np.int64], out: NDArray[Any], out_rows: NDArray[np.int64]
    ) -> None:
        """Copy the rows at ``positions``, checked, to ``out[out_rows]``."""
        self._rows().gather(positions, out, out_rows)

    def bad_rows(self) -> NDArray[np.int64]:
        """Check every row and return the numbers of the damaged ones."""
        return self._rows().bad_rows()

    def release_pages(self) -> None:
        """Give the memory of mapped pages back; what is read later is read from the file again."""
        rows = self._open
        if rows is not None:
            rows.release_pages()

    def _rows(self) -> Rows:
        rows = self._open
        if rows is None:
            rows = self._open = open_rows(self.container, self._checked)
            self.container.close()
        if not self._is_kept:
            OPEN_FILES.touch(self)
        return rows

    def close(self) -> None:
        """Close the file until rows are read again; another thread may still be reading."""
        if not self._is_kept:
            self._open = None
