"""Ridge's normal equations by a Cholesky decomposition for each penalty: cheaper where wide."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import LinAlgError, cho_factor, solve_triangular

from ..row_blocks import Floats
from .normal_equations import NormalEquations, System, decomposed

# From so many features on, an eigendecomposition takes longer than factors for eight penalties.
WIDE = 1536


@dataclass(frozen=True)
class Factors:
    """A ``System`` that factorises ``Gram matrix + alpha * I`` for each penalty.

    Factors are made as they are needed, and the last one is kept: a wide one takes as much memory
    as the Gram matrix.

    Attributes
    ----------
    equations : NormalEquations
    """

    equations: NormalEquations
    _last: dict[float, NDArray[np.float64]] = field(default_factory=dict)

    def solve(self, alpha: float) -> NDArray[np.float64]:
        """Return the coefficients, ``(n_features, m)``."""
        lower, cross = self.lower(alpha), self.equations.cross
        half = solve_triangular(lower, cross, lower=True, check_finite=False)
        coef: NDArray[np.float64] = solve_triangular(
            lower, half, lower=True, trans=1, check_finite=False
        )
        return coef

    def halves(self, centred: Floats, alphas: Sequence[float]) -> Iterator[Floats]:
        """Yield ``Z (n, n_features)`` for each penalty: ``Z Z'`` is the hat matrix of the rows."""
        for alpha in alphas:
            lower = self.lower(alpha).astype(centred.dtype, copy=False)
            half: Floats = solve_triangular(lower, centred.T, lower=True, check_finite=False)
            yield half.T

    def lower(self, alpha: float) -> NDArray[np.float64]:
        """Return the lower factor, in the lower triangle of a matrix.

        Raises
        ------
        LinAlgError
            The penalty is lost in rounding.
        """
        if alpha not in self._last:
            self._last.clear()
            penalised = self.equations.gram.copy()
            penalised[np.diag_indices(len(penalised))] += alpha
            # Transposed, it is in the order of LAPACK, which then needs no copy.
            factor, _ = cho_factor(penalised.T, lower=True, overwrite_a=True, check_finite=False)
            self._last[alpha] = factor
        return self._last[alpha]


def prepared(equations: NormalEquations, alphas: Sequence[float]) -> System:
    """Factorise wide equations; decompose others, and where a penalty is lost in rounding."""
    if len(equations.gram) < WIDE:
        return decomposed(equations)
    factors = Factors(equations)
    try:
        factors.lower(min(alphas))
    except LinAlgError:
        return decomposed(equations)
    return factors
