"""Some stretches of a file behind a URL, on this machine: what was not fetched is a hole."""

from __future__ import annotations

import os
import weakref
from collections.abc import Sequence
from pathlib import Path

from .copies import Copies
from .file_system import open_file_system, persist
from .remote_path import RemotePath


class SparseCopy:
    """A file of the size of one behind a URL, of which only what was asked for is there.

    Parameters
    ----------
    source : RemotePath
        A file that never changes.

    Attributes
    ----------
    path : Path
        Where it lies until ``forget_name``.
    n_bytes : int

    Raises
    ------
    FileNotFoundError, OSError
        There is no such file; the server or the disk refused.
    """

    def __init__(self, source: RemotePath) -> None:
        self._source = source
        self.n_bytes = source.stat().st_size
        self.path: Path = Copies.of_user().partial_path()
        self._file = self.path.open("x+b", buffering=0)
        weakref.finalize(self, self._file.close)
        self._file.truncate(self.n_bytes)

    def fetch(self, stretches: Sequence[tuple[int, int]]) -> None:
        """Fetch bytes from the first of each pair up to the second, all in one go.

        Raises
        ------
        OSError
            The server or the disk refused, or the file is shorter.
        """
        wanted = [(start, stop) for start, stop in stretches if stop > start]
        if not wanted:
            return
        starts, stops = (list(side) for side in zip(*wanted, strict=True))
        file_system, key = open_file_system(str(self._source))
        contents = persist(
            lambda: file_system.cat_ranges([key] * len(wanted), starts, stops, on_error="raise"),
            f"read {self._source}",
        )
        for start, stop, content in zip(starts, stops, contents, strict=True):
            if len(content) != stop - start:
                raise OSError(f"{len(content):,} bytes came of {stop - start:,}")
            os.pwrite(self._file.fileno(), content, start)

    def forget_name(self) -> None:
        """Remove the name: the file goes with the last process that has it open or mapped."""
        self.path.unlink(missing_ok=True)
