"""Normal equations of least squares, and how they are solved for one penalty after the other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ..row_blocks import Floats


@dataclass(frozen=True)
class NormalEquations:
    """The centred normal equations of one training set.

    Attributes
    ----------
    gram : ndarray of float64, shape (n_features, n_features)
        The weighted, centred Gram matrix ``Xc' W Xc``.
    cross : ndarray of float64, shape (n_features, m)
        ``Xc' W Tc`` with the centred targets ``Tc``.
    mean : ndarray of float64, shape (n_features,)
    target_mean : ndarray of float64, shape (m,)
    total : float
        Sum of the weights.
    """

    gram: NDArray[np.float64]
    cross: NDArray[np.float64]
    mean: NDArray[np.float64]
    target_mean: NDArray[np.float64]
    total: float


class System(Protocol):
    """Normal equations, prepared so that they are solved for one penalty after the other."""

    @property
    def equations(self) -> NormalEquations:
        """What is solved."""

    def solve(self, alpha: float) -> NDArray[np.float64]:
        """Return the coefficients, ``(n_features, m)``."""

    def halves(self, centred: Floats, alphas: Sequence[float]) -> Iterator[Floats]:
        """Yield ``Z (n, n_features)`` for each penalty: ``Z Z'`` is the hat matrix of the rows."""


@dataclass(frozen=True)
class Decomposition:
    """A ``System`` that is diagonal in the eigenvectors of the Gram matrix.

    Attributes
    ----------
    equations : NormalEquations
    values : ndarray of float64, shape (n_features,)
        Eigenvalues of the Gram matrix.
    vectors : ndarray of float64, shape (n_features, n_features)
        Its eigenvectors, as columns.
    """

    equations: NormalEquations
    values: NDArray[np.float64]
    vectors: NDArray[np.float64]

    def solve(self, alpha: float) -> NDArray[np.float64]:
        """Return the coefficients, ``(n_features, m)``."""
        products = self.vectors.T @ self.equations.cross
        coef: NDArray[np.float64] = (self.vectors / (self.values + alpha)) @ products
        return coef

    def halves(self, centred: Floats, alphas: Sequence[float]) -> Iterator[Floats]:
        """Yield ``Z (n, n_features)`` for each penalty: ``Z Z'`` is the hat matrix of the rows."""
        turned = centred @ self.vectors.astype(centred.dtype)
        for alpha in alphas:
            yield turned / np.sqrt(self.values + alpha).astype(centred.dtype)


def decomposed(equations: NormalEquations) -> Decomposition:
    """Decompose the Gram matrix, which serves any penalty."""
    values, vectors = np.linalg.eigh(equations.gram)
    return Decomposition(equations, np.maximum(values, 0), vectors)
