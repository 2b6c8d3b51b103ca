"""Neighbouring samples with their features, on their way to the head."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class RowBlock:
    """Neighbouring samples as they come from a source or a cache.

    Attributes
    ----------
    start : int
        Index of the first sample in the source.
    ok : ndarray of bool, shape (n,)
        Which samples have features.
    X : matrix of float, shape (ok.sum(), n_features)
        An array, or lazy as ``FeatureSet.X``.
    reasons : sequence of str, length n
        Why a sample has no features; empty where it has.
    digests : ndarray of uint8, shape (n, 32), or None
        Of the images' bytes; None where the cache knows them.
    """

    start: int
    ok: NDArray[np.bool_]
    X: Any
    reasons: Sequence[str]
    digests: NDArray[np.uint8] | None = None

    @property
    def stop(self) -> int:
        """Index after the last sample."""
        return self.start + len(self.ok)

    def rows(self, start: int, stop: int) -> RowBlock:
        """Return the samples from ``start`` to ``stop``, as indices in the source."""
        if (start, stop) == (self.start, self.stop):
            return self
        first, last = start - self.start, stop - self.start
        n_before, n_ok = int(self.ok[:first].sum()), int(self.ok[first:last].sum())
        return RowBlock(
            start,
            self.ok[first:last],
            self.X[n_before : n_before + n_ok],
            self.reasons[first:last],
            None if self.digests is None else self.digests[first:last],
        )

    def to_table(self) -> Any:
        """Return the samples and their features as a ``pyarrow.Table``."""
        import pyarrow as pa

        X = np.ascontiguousarray(self.X)
        columns = {"ok": pa.array(self.ok), "reason": pa.array(list(self.reasons), pa.string())}
        if self.digests is not None:
            columns["digest"] = binary_column(self.digests)
        rows = np.zeros(len(self.ok), f"V{X.shape[1] * X.itemsize or 1}")
        if len(X):
            rows[self.ok] = X.view(rows.dtype).ravel()
        columns["features"] = binary_column(rows.view(np.uint8).reshape(len(rows), -1))
        return pa.table(columns, metadata={"dtype": str(X.dtype)})

    @classmethod
    def from_table(cls, start: int, table: Any) -> RowBlock:
        """Rebuild a block from ``to_table``."""
        ok = table.column("ok").to_numpy()
        dtype = np.dtype(table.schema.metadata[b"dtype"].decode())
        digests = bytes_of(table.column("digest")) if "digest" in table.column_names else None
        X = bytes_of(table.column("features"))[ok].view(dtype)
        return cls(start, ok, X, table.column("reason").to_pylist(), digests)


def join_blocks(blocks: Sequence[RowBlock]) -> RowBlock:
    """Return consecutive blocks as one."""
    if len(blocks) == 1:
        return blocks[0]
    matrices = [block.X for block in blocks if len(block.X)]
    digests = [block.digests for block in blocks if block.digests is not None]
    return RowBlock(
        blocks[0].start,
        np.concatenate([block.ok for block in blocks]),
        np.concatenate(matrices) if matrices else blocks[0].X,
        [reason for block in blocks for reason in block.reasons],
        np.concatenate(digests) if digests else None,
    )


def bytes_of(column: Any) -> NDArray[np.uint8]:
    """Return a column of fixed-size binary values as ``(n, size)``."""
    joined = b"".join(column.to_pylist())
    return np.frombuffer(joined, np.uint8).reshape(len(column), -1)


def binary_column(values: NDArray[np.uint8]) -> Any:
    """Return ``(n, size)`` bytes as a column of fixed-size binary values."""
    import pyarrow as pa

    buffer = pa.py_buffer(np.ascontiguousarray(values))
    size = pa.binary(values.shape[1])
    return pa.FixedSizeBinaryArray.from_buffers(size, len(values), [None, buffer])
