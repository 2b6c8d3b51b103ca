"""Approximate inverse Hessians from the Gram matrix of the features, one for a whole path."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.linalg.blas import ssyrk

from ...matmul.bf16_matmul import Bf16Product
from .design import Design, spans
from .solver_options import F32, F64

CHUNK = 1024
# Fixed, so that sums are added in one order.
MOMENT_RANGES = 4


class Preconditioner(Protocol):
    """A symmetric positive definite map from gradients to steps, ``(k, d + 1)`` each."""

    def __call__(self, gradient: F64) -> F64:
        """Multiply by the approximate inverse Hessian."""
        ...


@dataclass(frozen=True)
class GramSpectrum:
    """Eigenvectors and eigenvalues of the features' covariance, found once for a path.

    Attributes
    ----------
    vectors : float32 (d, d)
    values : float64 (d,)
        Largest first, per unit of sample weight.
    mean : float64 (d,)
    product : Bf16Product or None
        Multiplies rows by the vectors in bfloat16.
    """

    vectors: F32
    values: F64
    mean: F64
    product: Bf16Product | None = None

    @classmethod
    def of(cls, design: Design, max_rows: int) -> GramSpectrum:
        """Factor the covariance of at most ``max_rows`` evenly spaced rows.

        The eigendecomposition runs in one thread: BLAS' threads would mostly wait for each other.
        """
        step = -(-design.n_samples // max_rows)
        rows = np.arange(0, design.n_samples, step)
        matrix, mean = second_moments(design, rows)
        matrix -= np.outer(mean, mean)
        values, vectors = design.workers.map(np.linalg.eigh, [matrix])[0]
        order = slice(None, None, -1)
        leading = np.ascontiguousarray(vectors[:, order], dtype=np.float32)
        return cls(leading, np.maximum(values[order], 0), mean)

    def rotate_rows(self, rows: F32, out: F32) -> None:
        """Write ``rows (m, d) @ vectors``, in bfloat16 where that is faster."""
        if self.product:
            self.product.into(rows, out)
        else:
            np.matmul(rows, self.vectors, out=out)

    def rotate(self, features: F64) -> F64:
        """Rotate ``(k, d)`` into the eigenbasis; scaled, as gradients may exceed float32."""
        size = float(np.abs(features).max()) or 1.0
        return ((features / size).astype(np.float32) @ self.vectors).astype(np.float64) * size

    def rotate_back(self, features: F64) -> F64:
        """Undo `rotate`."""
        size = float(np.abs(features).max()) or 1.0
        return ((features / size).astype(np.float32) @ self.vectors.T).astype(np.float64) * size


@dataclass(frozen=True)
class GramPreconditioner:
    """``(strength · covariance + I)⁻¹`` for every column: one diagonal in the Gram's eigenbasis.

    ``strength`` is ``C · Σ s_i ·`` the loss' mean curvature, so a new C costs nothing.
    """

    spectrum: GramSpectrum
    strength: float

    def __call__(self, gradient: F64) -> F64:
        """See `Preconditioner`."""
        spectrum = self.spectrum
        shift = gradient[:, -1]
        centred = gradient[:, :-1] - shift[:, None] * spectrum.mean
        rotated = spectrum.rotate(centred) / (self.strength * spectrum.values + 1)
        step = spectrum.rotate_back(rotated)
        return with_intercept(step, shift / self.strength, spectrum.mean)


def second_moments(design: Design, rows: NDArray[np.intp]) -> tuple[F64, F64]:
    """Mean of ``x xᵀ`` and of ``x`` over some rows, ``(d, d)`` and ``(d,)``."""
    parts = design.workers.map(
        lambda span: _moments(design, rows[span]), spans(len(rows), MOMENT_RANGES)
    )
    matrix = np.sum([part[0] for part in parts], axis=0, dtype=np.float64) / len(rows)
    mean = np.sum([part[1] for part in parts], axis=0) / len(rows)
    return matrix + np.tril(matrix, -1).T, mean


def _moments(design: Design, rows: NDArray[np.intp]) -> tuple[F32, F64]:
    d = design.n_features
    matrix, first = np.zeros((d, d), dtype=np.float32, order="F"), np.zeros(d)
    for start in range(0, len(rows), CHUNK):
        x = design.rows(rows[start : start + CHUNK])
        first += x.sum(axis=0, dtype=np.float64)
        matrix = ssyrk(1.0, x.T, beta=1.0, c=matrix, lower=1, overwrite_c=1)
    return matrix, first


def with_intercept(step: F64, offset: F64, mean: F64) -> F64:
    """Append the intercepts' part of a step, converted from centred features."""
    return np.concatenate([step, (offset - step @ mean)[:, None]], axis=1)
