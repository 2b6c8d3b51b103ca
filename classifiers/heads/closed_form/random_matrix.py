"""A random matrix that a seed and a shape give back, bit by bit, on every machine."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

# Four whole numbers of 16 bits, cut from one of 64, are added up: nearly a normal distribution.
PARTS, BITS = 4, 16
MEAN = PARTS * (2**BITS - 1) / 2
DEVIATION = np.sqrt(PARTS * (4**BITS - 1) / 12)
BLOCK_NUMBERS = 1 << 20


@dataclass(frozen=True)
class RandomMatrix:
    """A matrix of independent numbers of mean 0 and variance ``1 / n_rows``.

    NumPy keeps the raw numbers of PCG64 as they are from version to version, and sums of four are
    exact; ``Generator.normal`` is neither promised to stay nor equal on all machines.

    Attributes
    ----------
    seed : int
    n_rows, n_columns : int
    """

    seed: int
    n_rows: int
    n_columns: int

    @cached_property
    def array(self) -> NDArray[np.float32]:
        """The matrix, ``(n_rows, n_columns)``; it is drawn at the first use."""
        numbers = np.empty(self.n_rows * self.n_columns, np.float32)
        generator = np.random.PCG64(self.seed)
        for start in range(0, len(numbers), BLOCK_NUMBERS):
            block = numbers[start : start + BLOCK_NUMBERS]
            words = generator.random_raw(len(block)).astype("<u8")
            parts = words.view("<u2").reshape(-1, PARTS)
            block[:] = parts.sum(axis=1, dtype=np.int64) - MEAN
        numbers *= np.float32(1 / (DEVIATION * np.sqrt(self.n_rows)))
        return numbers.reshape(self.n_rows, self.n_columns)
