"""Solving in the row space where there are far fewer rows than features."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_triangular

from .design import Design, spans
from .solver_options import F32, F64

# The rows are combined where there are so many times more features.
FEATURES_PER_ROW = 2
CHUNK_FEATURES = 1024
# Added to the Gram matrix, relative to its largest diagonal number; equal rows make it singular.
JITTER = 1e-11


@dataclass(frozen=True)
class RowSpace:
    """Rows ``Z`` of the Cholesky factorisation ``X Xᵀ = Z Zᵀ``, which replace X.

    The optimum has no component outside the row space (the representer theorem, Kimeldorf & Wahba
    1971), and ``W = Xᵀ Z⁻ᵀ v`` has the norm of ``v``, so both problems have the same optimum.
    """

    rows: F64
    features: F32

    @classmethod
    def of(cls, design: Design) -> RowSpace:
        """Factor in float64, which takes ``8 n²`` bytes for each thread, beside a copy of X."""
        x = design.rows(slice(None))

        def gram(span: slice) -> F64:
            part = x[:, span].astype(np.float64)
            return np.asarray(part @ part.T)

        chunks = spans(x.shape[1], -(-x.shape[1] // CHUNK_FEATURES))
        matrix = np.sum(design.workers.map(gram, chunks), axis=0)
        diagonal = np.arange(len(matrix))
        matrix[diagonal, diagonal] += JITTER * matrix.max() + np.finfo(np.float64).tiny
        return cls(np.linalg.cholesky(matrix), x)

    def expand(self, coef: NDArray[np.float64]) -> F64:
        """Take coefficients ``(..., n)`` back to features ``(..., d)``."""
        flat = coef.reshape(-1, len(self.rows))
        duals = solve_triangular(self.rows, flat.T, lower=True, trans=1).T
        d = self.features.shape[1]
        parts = [duals @ self.features[:, span] for span in spans(d, -(-d // CHUNK_FEATURES))]
        return np.concatenate(parts, axis=1).reshape(*coef.shape[:-1], d)
