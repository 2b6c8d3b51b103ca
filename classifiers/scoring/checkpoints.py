"""The parts of a scoring run: what a run that is killed leaves for the next one.

Rows are predicted in parts with fixed borders. Each finished part is one Arrow file in a work
folder beside the result, under a name that holds the SHA-256 of all that decides its rows: model,
options, ids, and the files' sizes and times. A part that has its name is whole and is used again;
a part whose inputs changed has another name, and is simply missing.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from ...cache import StringColumn
from ...cache.errors import CacheWriteError, ModelError
from ...cache.format.atomic import atomic_path

PARTS_VERSION = 1


@dataclass(frozen=True)
class PartKey:
    """What decides the rows of every part.

    Attributes
    ----------
    job : mapping
        JSON types: model digest, options.
    ids : StringColumn, length n
    marks : ndarray, shape (n, m)
        Digests or stamps: what changes when a sample changes.
    n_rows : int
        Rows of a part; the last one is shorter.
    """

    job: Mapping[str, Any]
    ids: StringColumn
    marks: NDArray[Any]
    n_rows: int

    @property
    def ranges(self) -> list[range]:
        """The rows of each part, in order."""
        n = len(self.ids)
        return [range(i, min(i + self.n_rows, n)) for i in range(0, n, self.n_rows)]

    def name(self, rows: range) -> str:
        """Return the file name of the part of ``rows``."""
        text = json.dumps([PARTS_VERSION, self.n_rows, dict(self.job)], sort_keys=True)
        state = hashlib.sha256(text.encode("utf-8"))
        offsets = self.ids.offsets[rows.start : rows.stop + 1]
        state.update((offsets - offsets[0]).tobytes())
        state.update(self.ids.data[offsets[0] : offsets[-1]].tobytes())
        state.update(self.marks[rows.start : rows.stop].tobytes())
        return f"{rows.start:012d}-{state.hexdigest()[:32]}.arrow"


class PartFolder:
    """The parts of one run.

    Parameters
    ----------
    root : Path
    key : PartKey
    """

    def __init__(self, root: Path, key: PartKey) -> None:
        self.root, self.key = root, key
        self._paths = [root / key.name(rows) for rows in key.ranges]

    def missing(self) -> list[range]:
        """Return the rows of the parts that are not there yet, in order."""
        pairs = zip(self.key.ranges, self._paths, strict=True)
        return [rows for rows, path in pairs if not path.exists()]

    def write(self, rows: range, table: Any) -> None:
        """Write a part, whole or not at all; raises CacheWriteError."""
        from pyarrow import feather

        with atomic_path(self._paths[rows.start // self.key.n_rows]) as partial:
            feather.write_feather(table, str(partial), compression="lz4")

    def tables(self) -> Iterator[Any]:
        """Read all parts in order.

        Raises
        ------
        CacheWriteError
            A part cannot be read; it is removed, so that the next run makes it anew.
        """
        import pyarrow as pa
        from pyarrow import feather

        for path in self._paths:
            try:
                yield feather.read_table(str(path), memory_map=False)
            except (OSError, pa.ArrowInvalid) as error:
                path.unlink(missing_ok=True)
                raise CacheWriteError(
                    f"{path} cannot be read back ({error}): run the same command again"
                ) from error


@contextmanager
def work_folder(root: Path) -> Iterator[None]:
    """Hold the work folder of one result for this process alone; remove it after success.

    Raises
    ------
    CacheWriteError
        The folder cannot be made.
    ModelError
        Another process is scoring to the same place.
    """
    try:
        root.mkdir(parents=True, exist_ok=True)
        lock = (root / "lock").open("w")
    except OSError as error:
        raise CacheWriteError(f"cannot write {root}: {error.strerror or error}") from error
    with lock:
        try:
            # The lock goes with the process, whatever kills it.
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise ModelError(
                f"another process is scoring to the same place (it holds {root / 'lock'}): wait "
                "for it, or name another --out"
            ) from error
        yield
        shutil.rmtree(root, ignore_errors=True)
