"""Diagonal blocks of a subproblem's Hessian: weighted Gram matrices of a sample of rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg.blas import ssyrk
from scipy.linalg.lapack import spotrf, strtri

from .design import Design, spans
from .preconditioner import GramSpectrum, with_intercept
from .solver_options import F32, F64

CHUNK = 2048
# Rows that a thread rotates at a time; it holds four arrays of them.
ROTATED_ROWS = 512
# Second derivatives below this are rounding; a column with no larger one has no curvature.
NEGLIGIBLE = 1e-6


@dataclass(frozen=True)
class WeightedGram:
    """``Σ w_i z_i z_iᵀ`` of one column: dense in the leading directions, then its diagonal.

    Attributes
    ----------
    matrix : float32 (r, r)
        Lower triangle.
    diagonal : float32 (d - r,)
    total : float
        ``Σ w_i``.
    mean : float64 (d,)
        Weighted mean of z.
    """

    matrix: F32
    diagonal: F32
    total: float
    mean: F64

    @classmethod
    def of(cls, lead: F32, weights: F32, diagonal: F32, first: F64) -> WeightedGram:
        """Accumulate the dense part over the leading directions ``(m, r)`` of the rows."""
        rank = lead.shape[1]
        matrix = np.zeros((rank, rank), dtype=np.float32, order="F")
        for start in range(0, len(lead), CHUNK):
            part, w = lead[start : start + CHUNK], weights[start : start + CHUNK]
            scaled = part * np.sqrt(w)[:, None]
            matrix = ssyrk(1.0, scaled.T, beta=1.0, c=matrix, lower=1, overwrite_c=1)
        total = float(weights.sum(dtype=np.float64))
        return cls(matrix, diagonal, total, first / (total or 1.0))

    def block(self, C: float) -> Block:
        """Factor ``C · centred Gram + I``."""
        if self.total <= 0:
            return Block(None, self.diagonal, 0.0, self.mean)
        rank = len(self.matrix)
        root = (np.sqrt(self.total) * self.mean).astype(np.float32)
        matrix = self.matrix - np.multiply.outer(root[:rank], root[:rank])
        tail = np.maximum(self.diagonal - root[rank:] ** 2, 0) * np.float32(C) + 1
        factor = inverse_cholesky(np.asfortranarray(matrix * np.float32(C)))
        return Block(factor, tail, C * self.total, self.mean)


@dataclass(frozen=True)
class Block:
    """The inverse of one column's ``C Σ w_i (z_i - m)(z_i - m)ᵀ + I`` in the Gram's eigenbasis.

    Attributes
    ----------
    inverse_factor : float32 (r, r) or None
        Of the leading directions' Cholesky factor; None where the data term has no curvature.
    diagonal : float32 (d - r,)
        Of the other directions.
    total : float
        ``C Σ w_i``, the intercept's curvature.
    mean : float64 (d,)
    """

    inverse_factor: F32 | None
    diagonal: F32
    total: float
    mean: F64

    def solve(self, gradient: F64, shift: float) -> tuple[F64, float]:
        """Return the steps of the rotated weights ``(d,)`` and of the intercept."""
        if self.inverse_factor is None:
            return gradient, 0.0
        centred = gradient - shift * self.mean
        size = float(np.abs(centred).max()) or 1.0
        scaled = (centred / size).astype(np.float32)
        rank = len(self.inverse_factor)
        lead = self.inverse_factor.T @ (self.inverse_factor @ scaled[:rank])
        step = np.concatenate([lead, scaled[rank:] / self.diagonal]).astype(np.float64) * size
        return step, shift / self.total - float(step @ self.mean)


@dataclass(frozen=True)
class BlockPreconditioner:
    """Weighted Gram blocks on the diagonal, in rotated bases of the columns and the features."""

    basis: F64
    blocks: tuple[Block, ...]
    spectrum: GramSpectrum

    def __call__(self, gradient: F64) -> F64:
        """See `Preconditioner`."""
        spectrum = self.spectrum
        columns = self.basis.T @ gradient
        shifts = columns[:, -1]
        rotated = spectrum.rotate(columns[:, :-1] - shifts[:, None] * spectrum.mean)
        solved = [
            block.solve(row, float(shift))
            for block, row, shift in zip(self.blocks, rotated, shifts, strict=True)
        ]
        step = spectrum.rotate_back(np.stack([part for part, _ in solved]))
        offsets = np.array([offset for _, offset in solved])
        return self.basis @ with_intercept(step, offsets, spectrum.mean)


@dataclass(frozen=True)
class Curvature:
    """Second derivatives of one subproblem's loss: a weighted Gram matrix for each column."""

    fold: int
    basis: F64
    grams: tuple[WeightedGram, ...]


@dataclass(frozen=True)
class RowSample:
    """The size of the sample that Hessian blocks are built from."""

    max_rows: int
    rank: int
    random_state: int

    def grams(
        self, design: Design, spectrum: GramSpectrum, seconds: Sequence[F32]
    ) -> list[WeightedGram]:
        """Return one weighted Gram for each column's second derivatives ``(n_samples,)``."""
        rows, chance = self.draw(seconds)
        weights = np.stack([second[rows] for second in seconds])
        weights *= (1 / chance).astype(np.float32)
        lead, first, squares = rotated_sums(design, spectrum, rows, weights, self.rank)
        return design.workers.map(
            lambda i: WeightedGram.of(lead, weights[i], squares[i].astype(np.float32), first[i]),
            range(len(weights)),
        )

    def draw(self, seconds: Sequence[F32]) -> tuple[NDArray[np.intp], F64]:
        """Draw about ``max_rows`` rows by importance; return them and their probabilities.

        A row's probability is proportional to its share of the columns' second derivatives, at most
        1: Poisson sampling as in sub-sampled Newton methods (Xu et al., *NeurIPS* 2016). Weights of
        one over the probability keep sums unbiased. All columns share one sample, which is rotated
        once.
        """
        share = np.zeros(len(seconds[0]))
        for second in seconds:
            useful = np.where(second > max(float(second.max()) * 1e-6, NEGLIGIBLE), second, 0)
            share += useful / (useful.sum(dtype=np.float64) or 1.0)
        rows = np.nonzero(share > 0)[0]
        if len(rows) <= self.max_rows:
            return rows, np.ones(len(rows))
        chance = np.minimum(share[rows] * (self.max_rows / share.sum()), 1)
        uniform = np.random.default_rng(self.random_state).random(len(share))[rows]
        return rows[uniform < chance], chance[uniform < chance]


def rotated_sums(
    design: Design, spectrum: GramSpectrum, rows: NDArray[np.intp], weights: F32, rank: int
) -> tuple[F32, F64, F64]:
    """Rotate rows into the eigenbasis, ``z = (x - mean) V``, and sum them for each column.

    Returns
    -------
    lead : float32 (m, rank)
        The leading directions.
    first : float64 (k, d)
        ``Σ w_i z_i``.
    squares : float64 (k, d - rank)
        ``Σ w_i z_i²`` of the other directions.
    """
    lead = np.empty((len(rows), rank), dtype=np.float32)
    mean = spectrum.mean.astype(np.float32)

    def work(span: slice) -> tuple[F32, F32]:
        x = design.rows(rows[span])
        x -= mean
        z = np.empty_like(x)
        spectrum.rotate_rows(x, z)
        lead[span] = z[:, :rank]
        w, tail = weights[:, span], z[:, rank:]
        return w @ z, w @ (tail * tail)

    parts = design.workers.map(work, spans(len(rows), max(1, len(rows) // ROTATED_ROWS)))
    first: F64 = np.sum([part[0] for part in parts], axis=0, dtype=np.float64)
    squares: F64 = np.sum([part[1] for part in parts], axis=0, dtype=np.float64)
    return lead, first, squares


def inverse_cholesky(matrix: F32) -> F32:
    """Return the inverse of ``L``, ``L L.T = matrix + I``; a failing factorisation adds ridge.

    The product of the inverse factors is positive definite in float32 whatever the conditioning,
    unlike an explicit inverse; and BLAS multiplies faster than it solves triangular systems.
    """
    diagonal = np.arange(len(matrix))
    matrix[diagonal, diagonal] += 1
    ridge = np.float32(1e-6) * np.abs(matrix[diagonal, diagonal]).max()
    while True:
        factor, failed = spotrf(matrix, lower=1, clean=1, overwrite_a=0)
        if not failed:
            inverse: F32 = strtri(factor, lower=1, overwrite_c=1)[0]
            return inverse
        matrix[diagonal, diagonal] += ridge
        ridge *= 10
