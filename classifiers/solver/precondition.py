"""Approximate inverse Hessians: one Gram matrix for a whole path, weighted blocks for one lane."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.linalg.blas import ssyrk
from scipy.linalg.lapack import spotrf, strtri

from .design import Design
from .options import F32, F64

CHUNK = 512
# Second derivatives below this are rounding; a column with no larger one has no curvature.
NEGLIGIBLE = 1e-6


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
        Per unit of sample weight.
    mean : float64 (d,)
        Zero where no intercept is fitted.
    """

    vectors: F32
    values: F64
    mean: F64

    @classmethod
    def of(cls, design: Design, max_rows: int, centred: bool) -> GramSpectrum:
        """Factor the covariance of at most ``max_rows`` evenly spaced rows."""
        step = -(-design.n_samples // max_rows)
        rows = np.arange(0, design.n_samples, step)
        gram = WeightedGram.of(design, rows, np.ones(len(rows), np.float32))
        covariance = symmetric(gram.matrix).astype(np.float64) / gram.total
        mean = gram.mean if centred else np.zeros_like(gram.mean)
        covariance -= np.outer(mean, mean)
        values, vectors = np.linalg.eigh(covariance)
        return cls(vectors.astype(np.float32), np.maximum(values, 0), mean)


@dataclass(frozen=True)
class GramPreconditioner:
    """``(strength · covariance + I)⁻¹`` for every column: one diagonal in the Gram's eigenbasis.

    ``strength`` is ``C · Σ s_i ·`` the loss' mean curvature, so a new C costs nothing.
    """

    spectrum: GramSpectrum
    strength: float
    fit_intercept: bool

    def __call__(self, gradient: F64) -> F64:
        """See `Preconditioner`."""
        spectrum = self.spectrum
        shift = gradient[:, -1] if self.fit_intercept else np.zeros(len(gradient))
        centred = gradient[:, :-1] - shift[:, None] * spectrum.mean
        size = float(np.abs(centred).max()) or 1.0
        rotated = (centred / size).astype(np.float32) @ spectrum.vectors
        rotated /= (self.strength * spectrum.values + 1).astype(np.float32)
        step = (rotated @ spectrum.vectors.T).astype(np.float64) * size
        return with_intercept(step, shift / self.strength, spectrum.mean, self.fit_intercept)


@dataclass(frozen=True)
class Block:
    """The inverse Cholesky factor of one block ``C Σ w_i (x_i - m)(x_i - m)ᵀ + I``.

    Attributes
    ----------
    inverse_factor : float32 (d, d) or None
        None stands for a block without curvature, where the penalty is all.
    total : float
        ``C Σ w_i``, the intercept's curvature.
    mean : float64 (d,)
    """

    inverse_factor: F32 | None
    total: float
    mean: F64

    def solve(self, gradient: F64, fit_intercept: bool) -> F64:
        """Multiply ``(1, d + 1)`` by the block's inverse."""
        shift = gradient[:, -1] if fit_intercept else np.zeros(1)
        if self.inverse_factor is None:
            return np.concatenate([gradient[:, :-1], np.zeros((1, 1))], axis=1)
        centred = gradient[0, :-1] - shift[0] * self.mean
        size = float(np.abs(centred).max()) or 1.0
        half = self.inverse_factor @ (centred / size).astype(np.float32)
        step = (self.inverse_factor.T @ half).astype(np.float64) * size
        return with_intercept(step[None], shift / self.total, self.mean, fit_intercept)


@dataclass(frozen=True)
class BlockPreconditioner:
    """Weighted Gram blocks on the diagonal, in a rotated basis of the columns."""

    basis: F64
    blocks: tuple[Block, ...]
    fit_intercept: bool

    def __call__(self, gradient: F64) -> F64:
        """See `Preconditioner`."""
        rotated = self.basis.T @ gradient
        steps = [
            block.solve(row[None], self.fit_intercept)
            for block, row in zip(self.blocks, rotated, strict=True)
        ]
        return self.basis @ np.concatenate(steps)


@dataclass(frozen=True)
class WeightedGram:
    """``Σ w_i x_i x_iᵀ`` (lower triangle, float32), ``Σ w_i`` and the weighted mean."""

    matrix: F32
    total: float
    mean: F64

    @classmethod
    def of(
        cls, design: Design, rows: NDArray[np.intp], weights: NDArray[np.floating]
    ) -> WeightedGram:
        """Accumulate over ``rows``, whose ``weights`` are all positive."""
        d = design.n_features
        matrix = np.zeros((d, d), dtype=np.float32, order="F")
        first = np.zeros(d)
        for start in range(0, len(rows), CHUNK):
            chunk = slice(start, start + CHUNK)
            x = design.rows(rows[chunk])
            w = weights[chunk].astype(np.float32)
            first += w @ x
            x *= np.sqrt(w)[:, None]
            matrix = ssyrk(1.0, x.T, beta=1.0, c=matrix, lower=1, overwrite_c=1)
        total = float(weights.sum(dtype=np.float64))
        return cls(matrix, total, first / (total or 1.0))

    def block(self, C: float, centred: bool) -> Block:
        """Factor ``C · (Gram, centred if asked) + I``."""
        mean = self.mean if centred else np.zeros_like(self.mean)
        root = (np.sqrt(self.total) * mean).astype(np.float32)
        matrix = self.matrix if not centred else self.matrix - np.multiply.outer(root, root)
        matrix = np.asfortranarray(matrix * np.float32(C))
        return Block(inverse_cholesky(matrix), C * self.total, mean)


@dataclass(frozen=True)
class Curvature:
    """Second derivatives of one lane's loss: a weighted Gram matrix for each rotated column."""

    basis: F64
    grams: tuple[WeightedGram, ...]


def inverse_cholesky(matrix: F32) -> F32:
    """Return ``L⁻¹`` with ``L Lᵀ = matrix + I``; rounding that breaks it is met by a larger ridge.

    Applying ``L⁻ᵀ L⁻¹`` stays positive definite in float32 whatever the conditioning, which an
    explicit inverse would not, and is two products, which BLAS does faster than two solves.
    """
    diagonal = np.arange(len(matrix))
    matrix[diagonal, diagonal] += 1
    ridge = np.float32(1e-6) * matrix[diagonal, diagonal].mean()
    while True:
        factor, failed = spotrf(matrix, lower=1, clean=1, overwrite_a=0)
        if not failed:
            inverse: F32 = strtri(factor, lower=1, overwrite_c=1)[0]
            return inverse
        matrix[diagonal, diagonal] += ridge
        ridge *= 10


def thin(weights: F32, max_rows: int, uniform: F32) -> tuple[NDArray[np.intp], F32]:
    """Keep at most about ``max_rows`` rows, by importance, so that weighted sums stay unbiased.

    A row is kept with probability ``π ∝ weight`` (at most 1) and then counts ``weight / π``:
    Poisson sampling as in sub-sampled Newton methods (Xu et al., *NeurIPS* 2016).
    ``uniform`` holds one draw for each row.
    """
    rows = np.nonzero(weights > max(float(weights.max()) * 1e-6, NEGLIGIBLE))[0]
    kept = weights[rows]
    if len(rows) <= max_rows:
        return rows, kept
    chance = np.minimum(kept * (max_rows / kept.sum(dtype=np.float64)), 1)
    chosen = uniform[rows] < chance
    return rows[chosen], (kept[chosen] / chance[chosen]).astype(np.float32)


def make_block(C: float, gram: WeightedGram, centred: bool) -> Block:
    """Factor the block of one column at one C."""
    if gram.total <= 0:
        return Block(None, 0.0, gram.mean)
    return gram.block(C, centred)


def symmetric(lower: F32) -> F32:
    """Mirror a lower triangle."""
    return np.tril(lower) + np.tril(lower, -1).T


def with_intercept(step: F64, offset: F64, mean: F64, fit_intercept: bool) -> F64:
    """Append the intercepts' part of a step, taken back from centred features."""
    last = offset - step @ mean if fit_intercept else np.zeros(len(step))
    return np.concatenate([step, last[:, None]], axis=1)
