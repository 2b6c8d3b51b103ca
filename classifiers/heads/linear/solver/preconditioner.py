"""An approximate inverse Hessian from the leading directions of the features, for a whole path."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...matmul.workers import Mapper, Workers
from .design import spans
from .solver_options import F32, F64

# Rows for each direction, and in all.
ROWS_PER_DIRECTION = 16
SAMPLE_ROWS = 2560
# Parts of a sample that are multiplied side by side.
SAMPLE_PARTS = 4
POWER_STEPS = 2
# A gradient is cut into at most so many parts of at least so many numbers.
PARTS, PART_SIZE = 4, 1 << 15


@dataclass(frozen=True)
class LeadingSpectrum:
    """The features' covariance: its leading eigenvectors, and one variance for all others.

    Attributes
    ----------
    vectors : float32 (d, r)
    values : float64 (r,)
        Largest first.
    rest : float
        Mean variance in the other directions.
    mean : float64 (d,)
    """

    vectors: F32
    values: F64
    rest: float
    mean: F64

    @classmethod
    def of(cls, sample: F32, rank: int, random_state: int, workers: Workers) -> LeadingSpectrum:
        """Find the leading directions of a sample of rows by randomised subspace iteration.

        See Halko, Martinsson & Tropp, *SIAM Review* 53 (2011), algorithm 4.4.
        """
        n, d = sample.shape
        mean = sample.mean(axis=0, dtype=np.float64)
        centred = sample - mean.astype(np.float32)
        generator = np.random.default_rng(random_state)
        basis = generator.standard_normal((d, min(rank, d, n)), dtype=np.float32)
        for _ in range(POWER_STEPS):
            basis = np.linalg.qr(_products(centred, basis, workers))[0]
        lead = centred @ basis
        values, rotation = np.linalg.eigh((lead.T @ lead).astype(np.float64) / n)
        total = float(np.vdot(centred, centred)) / n
        rest = max(total - float(values.sum()), 0.0) / max(d - len(values), 1)
        vectors = basis @ rotation[:, ::-1].astype(np.float32)
        return cls(np.ascontiguousarray(vectors), np.maximum(values[::-1], 0), rest, mean)

    @property
    def spread(self) -> float:
        """Mean variance of a feature."""
        d, r = self.vectors.shape
        return float(max((self.values.sum() + self.rest * (d - r)) / d, 1e-12))

    def solve(self, gradient: F64, strengths: F64, workers: Mapper) -> F64:
        """Multiply by ``(strength · covariance + I)⁻¹``, one strength for each row.

        Parameters
        ----------
        gradient : float64 (k, d + 1)
        strengths : float64 (k,)
            ``C · Σ s_i ·`` the mean second derivative of the loss by each output.
        workers : Mapper
            Rows do not depend on one another.
        """
        parts = spans(len(gradient), min(PARTS, -(-gradient.size // PART_SIZE)))
        if len(parts) == 1:
            return self._solve(gradient, strengths)
        solved = workers.map(lambda part: self._solve(gradient[part], strengths[part]), parts)
        return np.concatenate(solved)

    def _solve(self, gradient: F64, strengths: F64) -> F64:
        strengths = strengths[:, None]
        shift = gradient[:, -1:]
        centred = gradient[:, :-1] - shift * self.mean
        size = float(np.abs(centred).max()) or 1.0
        lead = ((centred / size).astype(np.float32) @ self.vectors).astype(np.float64)
        base = 1 / (strengths * self.rest + 1)
        lead *= 1 / (strengths * self.values + 1) - base
        step = centred * base
        step += size * (lead.astype(np.float32) @ self.vectors.T)
        offset = shift / strengths - (step @ self.mean)[:, None]
        return np.concatenate([step, offset], axis=1)


def rows_for(rank: int) -> int:
    """Return of how many rows a sample should be to show ``rank`` directions."""
    return min(SAMPLE_ROWS, ROWS_PER_DIRECTION * rank)


def _products(sample: F32, basis: F32, workers: Workers) -> F32:
    """Return ``sample.T @ (sample @ basis)``."""
    parts = workers.map(
        lambda span: sample[span].T @ (sample[span] @ basis), spans(len(sample), SAMPLE_PARTS)
    )
    return np.asarray(np.sum(parts, axis=0))
