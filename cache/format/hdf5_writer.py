"""What stands between HDF5 and the disk while a file is written.

HDF5 does not survive a refused write: its close fails, the file stays open inside the library, and
a later file or the interpreter's end stumbles over it. This file object therefore accepts every
write, remembers the first refusal, and leaves it to its user to raise it when HDF5 is done.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, BinaryIO


class Hdf5Writer:
    """A file object for h5py whose writes never fail; ``error`` holds the first that did."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.error: OSError | None = None

    def read(self, size: int = -1) -> bytes:
        """Read from the current position."""
        return self._file.read(size)

    def readinto(self, buffer: Any) -> int:
        """Read into ``buffer``; what was never written reads as zeros."""
        view = memoryview(buffer).cast("B")
        n_read: int = self._file.readinto(view)  # type: ignore[attr-defined]
        view[n_read:] = bytes(len(view) - n_read)
        return len(view)

    def seek(self, offset: int, whence: int = 0) -> int:
        """Move to another position."""
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        """Return the current position."""
        return self._file.tell()

    def write(self, data: Any) -> int:
        """Write all of ``data``, or remember why not."""
        view = memoryview(data).cast("B")
        self._try(lambda: self._write_all(view))
        return len(view)

    def truncate(self, size: int) -> int:
        """Set the length of the file, or remember why not."""
        self._try(lambda: self._file.truncate(size))
        return size

    def flush(self) -> None:
        """Do nothing: the file has no buffer of its own."""

    def _write_all(self, view: memoryview) -> None:
        while len(view):
            view = view[self._file.write(view) :]

    def _try(self, action: Callable[[], object]) -> None:
        if self.error is not None:
            return
        try:
            action()
        except OSError as error:
            self.error = error
