"""Features as a file that TensorBoard's Embedding Projector reads."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ....cache import FeatureMatrix
from ....cache.format.atomic import atomic_path

BLOCK_ROWS = 4096


def write_tensors(path: Path, X: FeatureMatrix, rows: NDArray[np.int64]) -> None:
    """Write some rows as raw float32; as tab-separated text where TensorBoard would misread that.

    TensorBoard reads every file as text first, and as raw float32 where that fails because the
    bytes are no valid UTF-8. Small whole numbers and zeros are valid UTF-8.

    Raises
    ------
    CacheWriteError
        The file system refused.
    """
    with atomic_path(path) as partial:
        with partial.open("wb") as file:
            for start in range(0, len(rows), BLOCK_ROWS):
                block = X[rows[start : start + BLOCK_ROWS]]
                file.write(np.ascontiguousarray(block, "<f4").tobytes())
        if _begins_as_text(partial):
            with partial.open("w", encoding="ascii") as file:
                for start in range(0, len(rows), BLOCK_ROWS):
                    block = np.asarray(X[rows[start : start + BLOCK_ROWS]], np.float32)
                    # Nine digits give each float32 back exactly.
                    np.savetxt(file, block, fmt="%.9g", delimiter="\t")


def _begins_as_text(path: Path) -> bool:
    """Tell whether the first line that is not empty is valid UTF-8."""
    with path.open("rb") as file:
        for line in file:
            if line != b"\n":
                try:
                    line.decode("utf-8")
                except UnicodeDecodeError:
                    return False
                return True
    return True
