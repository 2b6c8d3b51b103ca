"""A column of strings that costs its bytes, not a Python object a row."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any, overload

import numpy as np
import xxhash
from numpy.typing import NDArray

SHOWN = 3
BLOCK_STRINGS = 1 << 16
Rows = slice | Sequence[int] | NDArray[np.integer[Any]] | NDArray[np.bool_]


class StringColumn(Sequence[str]):
    """An immutable sequence of strings in one UTF-8 buffer; names that are not UTF-8 survive.

    Parameters
    ----------
    data : ndarray of uint8, shape (n_bytes,)
        All strings, one after the other, encoded as UTF-8 with ``surrogateescape``.
    offsets : ndarray of int64, shape (n + 1,)
        Where each string begins; the last entry is ``n_bytes``.
    distinct : bool, optional
        Whether no string occurs twice, if known; else it is computed when asked for.
    """

    __slots__ = ("_distinct", "data", "offsets")

    def __init__(
        self, data: NDArray[np.uint8], offsets: NDArray[np.int64], distinct: bool | None = None
    ) -> None:
        if offsets.ndim != 1 or len(offsets) < 1 or offsets[0] != 0 or offsets[-1] != len(data):
            raise ValueError("offsets do not describe data")
        self.data = data
        self.offsets = offsets
        self._distinct = distinct

    @classmethod
    def from_strings(cls, strings: Iterable[str]) -> StringColumn:
        """Encode ``strings``."""
        data, remaining = bytearray(), iter(strings)
        lengths, hashes = [np.zeros(1, np.int64)], [np.zeros(0, np.uint64)]
        # In blocks: as Python objects, millions of names take many times their bytes.
        while encoded := [
            s.encode("utf-8", "surrogateescape") for s in islice(remaining, BLOCK_STRINGS)
        ]:
            data += b"".join(encoded)
            lengths.append(np.fromiter(map(len, encoded), np.int64, len(encoded)))
            digests = map(xxhash.xxh3_64_intdigest, encoded)
            hashes.append(np.fromiter(digests, np.uint64, len(encoded)))
        column = np.frombuffer(data, np.uint8)
        column.flags.writeable = False
        ordered = np.sort(np.concatenate(hashes))
        # Equal hashes leave it open: `is_distinct` compares the strings then.
        distinct = None if bool((ordered[1:] == ordered[:-1]).any()) else True
        return cls(column, np.cumsum(np.concatenate(lengths)), distinct)

    @property
    def is_distinct(self) -> bool:
        """Whether no string occurs twice."""
        if self._distinct is None:
            self._distinct = len(set(self)) == len(self)
        return self._distinct

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @overload
    def __getitem__(self, index: int | np.integer[Any]) -> str: ...
    @overload
    def __getitem__(self, index: Rows) -> StringColumn: ...

    def __getitem__(self, index: int | np.integer[Any] | Rows) -> str | StringColumn:
        """Return one string, or those of a slice, a mask or an array of indices."""
        if not isinstance(index, int | np.integer):
            return self.take(np.arange(len(self))[index])
        position = range(len(self.offsets) - 1)[int(index)]
        start, stop = self.offsets[position], self.offsets[position + 1]
        return self.data[start:stop].tobytes().decode("utf-8", "surrogateescape")

    def take(self, indices: NDArray[np.int64]) -> StringColumn:
        """Return the strings at ``indices``, in their order."""
        starts = self.offsets[:-1][indices]
        lengths = self.offsets[1:][indices] - starts
        offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])
        positions = np.arange(offsets[-1]) + np.repeat(starts - offsets[:-1], lengths)
        is_ascending = bool(self._distinct and (np.diff(indices) > 0).all())
        return StringColumn(self.data[positions], offsets, is_ascending or None)

    def find(self, text: str) -> int:
        """Return the index of the first string that is ``text``, or -1."""
        wanted = np.frombuffer(text.encode("utf-8", "surrogateescape"), np.uint8)
        starts, lengths = self.offsets[:-1], np.diff(self.offsets)
        candidates = np.flatnonzero(lengths == len(wanted))
        # Names of one source mostly begin alike, so that their ends tell more of them apart.
        for offset in reversed(range(len(wanted))):
            candidates = candidates[self.data[starts[candidates] + offset] == wanted[offset]]
        return int(candidates[0]) if len(candidates) else -1

    @property
    def shape(self) -> tuple[int]:
        """``(n,)``."""
        return (len(self),)

    def to_numpy(self) -> NDArray[np.object_]:
        """Return the strings as an array of Python objects, ``(n,)``."""
        strings = np.empty(len(self), object)
        strings[:] = list(self)
        return strings

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return self.to_numpy() if dtype is None else self.to_numpy().astype(dtype)

    def __eq__(self, other: object) -> Any:
        """Tell whether two columns are equal; compared with a string, which rows are it."""
        if isinstance(other, str):
            return self.to_numpy() == other
        if not isinstance(other, StringColumn):
            return NotImplemented
        return np.array_equal(self.offsets, other.offsets) and np.array_equal(self.data, other.data)

    def __hash__(self) -> int:
        return hash((len(self), self.data.tobytes()))

    def __repr__(self) -> str:
        shown = [repr(self[i]) for i in range(min(len(self), SHOWN))]
        return (
            f"StringColumn([{', '.join(shown)}{', …' if len(self) > SHOWN else ''}], n={len(self)})"
        )
