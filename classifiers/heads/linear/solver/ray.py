"""How far a solution moves along its own ray where C grows, told from a sample of rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq

from .losses import Loss
from .solver_options import F32, F64

FARTHEST = 64.0
PRECISION = 1e-2


@dataclass(frozen=True)
class Rays:
    """Logits along a ray are multiples of one product, so a search takes no pass over X.

    Where features separate the classes, the loss falls by a factor with each unit that logits
    grow, and a Newton step adds about one unit, however far away the optimum of the next C is.
    Most of that way is a mere scaling.

    Attributes
    ----------
    sample : float32 (n_rows, n_features)
        Rows of the design.
    loss : Loss
        Of these rows.
    """

    sample: F32
    loss: Loss

    def longest(self, theta: F64, value: float, C: float, fold: int) -> tuple[float, float]:
        """Return the factor, at least 1, of least objective at ``factor * theta``, and its gain.

        Parameters
        ----------
        theta : float64 (k, n_features + 1)
        value : float
            The data term of all rows there, without its factor C; along the ray it is taken to fall
            as that of the sample.
        C : float
        fold : int
        """
        logits = theta[:, :-1].astype(np.float32) @ self.sample.T
        logits += theta[:, -1:].astype(np.float32)
        square = float(np.vdot(theta[:, :-1], theta[:, :-1]))
        folds = np.array([fold])

        def at(factor: float) -> tuple[float, float]:
            scaled = (np.float32(factor) * logits)[None]
            loss, residuals, _ = self.loss.evaluate(scaled, folds, slice(None))
            return float(loss[0]), float(np.vdot(residuals, logits))

        start = at(1.0)[0]
        if start <= 0:
            return 1.0, 0.0
        strength = C * value / start
        factor = _least(lambda factor: strength * at(factor)[1] + factor * square)
        return factor, strength * (start - at(factor)[0]) - 0.5 * (factor**2 - 1) * square


def _least(slope: Callable[[float], float]) -> float:
    """Return where a growing function is 0, between 1 and `FARTHEST`."""
    high = 1.0
    while slope(high) < 0:
        high *= 2
        if high > FARTHEST:
            return FARTHEST
    return float(brentq(slope, high / 2, high, xtol=PRECISION)) if high > 1 else 1.0
