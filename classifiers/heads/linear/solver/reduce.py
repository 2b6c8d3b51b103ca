"""Fewer rows than features: solve in the row space, where the optimum lies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .design import Design
from .solver_options import F32, F64


@dataclass(frozen=True)
class RowSpace:
    """Rows ``Z = X B`` in an orthonormal basis ``B (d, r)`` of the row space of X.

    The penalty ``½‖W‖²`` leaves no component outside the row space (the representer theorem,
    Kimeldorf & Wahba 1971), and ``‖B v‖ = ‖v‖``, so both problems have the same optimum.
    """

    rows: F32
    basis: F64

    @classmethod
    def of(cls, design: Design) -> RowSpace:
        """Factor ``X Xᵀ`` in float64; takes ``8 n (n + 2 d)`` bytes, and n is below d here."""
        x = design.rows(slice(None)).astype(np.float64)
        values, vectors = np.linalg.eigh(x @ x.T)
        keep = values > max(values[-1], 0) * len(x) * np.finfo(np.float64).eps
        if not keep.any():
            return cls(np.zeros((len(x), 1), np.float32), np.zeros((x.shape[1], 1)))
        roots = np.sqrt(values[keep])
        rows = (vectors[:, keep] * roots).astype(np.float32)
        return cls(rows, x.T @ (vectors[:, keep] / roots))

    def expand(self, coef: NDArray[Any]) -> F64:
        """Take coefficients ``(..., r)`` back to features ``(..., d)``."""
        return np.asarray(coef @ self.basis.T)
