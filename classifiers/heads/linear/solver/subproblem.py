"""One fold's optimisation along the path: L-BFGS that proposes a point and is told its value."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from ...matmul.workers import Mapper
from .curvature_pairs import CurvaturePairs
from .preconditioner import LeadingSpectrum
from .ray import Rays
from .solver_options import F32, F64

ARMIJO = 1e-4
# Relative rounding error of an objective from float32 logits.
NOISE = 2e-7
MAX_BACKTRACKS = 15
# After so many steps in a row that gain less than the noise, float32 resolves no further decrease.
MAX_IDLE = 6
# A point without further decrease has converged if at most this much is left to gain for each unit
# of sample weight, and if the rounding error is at most this share of the objective.
RESOLVED = 1e-5
# Products in bfloat16 have an error of about 4e-3 of the distance from the expansion point. A new
# one is due once the gap is below this share of the decrease since the last.
EXPANSION_SHARE = 1e-2
# L-BFGS' estimate of the gap was up to so many times too small where it was measured.
GAP_FACTOR = 6.0
# Least mean curvature by a logit that steps are scaled by, relative to that of equal chances.
LEAST_CURVATURE = 1e-3
# A new C starts along the ray where that gains at least this share of what L-BFGS expects in all.
RAY_SHARE = 0.6


@dataclass(frozen=True)
class Point:
    """Coefficients, and the data term there without its factor C.

    Attributes
    ----------
    theta : float64 (k, d + 1)
    value : float
    gradient : float64 (k, d + 1)
    curvature : float64 (k,)
        Sums of second derivatives by each logit.
    """

    theta: F64
    value: float
    gradient: F64
    curvature: F64

    def objective(self, C: float) -> float:
        """The objective at this point for any C."""
        return C * self.value + 0.5 * float(np.vdot(self.theta[:, :-1], self.theta[:, :-1]))

    def objective_gradient(self, C: float) -> F64:
        """The objective's gradient at this point for any C."""
        gradient = C * self.gradient
        gradient[:, :-1] += self.theta[:, :-1]
        return gradient


@dataclass(frozen=True)
class Expansion:
    """A point computed in float32, with its samples; near it, only changes are computed.

    Attributes
    ----------
    point : Point
    logits, residuals : float32 (k, n_samples)
    """

    point: Point
    logits: F32
    residuals: F32


@dataclass(eq=False)
class Subproblem:
    """L-BFGS on ``theta (k, d + 1)`` of one fold, for one C after the other in ascending order.

    A new C starts from the last solution: value and gradient there are known, and the pairs are
    rescaled, so that the first step leads along the path; or it is a mere scaling, see `Rays`.

    Attributes
    ----------
    fold : int
    total : float
        Sum of the sample weights.
    rounding : float
        Absolute rounding error of the data term.
    spectrum : LeadingSpectrum
    rays : Rays or None
    pairs : CurvaturePairs
    trial : float64 (k, d + 1)
        Where the next value is wanted.
    workers : Mapper
        Of long vectors.
    n_passes : int
        Since its owner last set it to 0.
    gap : float
        Cautious estimate of how far the objective is above its minimum: `GAP_FACTOR` times half the
        squared Newton decrement (Boyd & Vandenberghe, *Convex Optimization*, 9.5.1) under the
        inverse Hessian of the pairs.
    """

    fold: int
    total: float
    rounding: float
    spectrum: LeadingSpectrum
    rays: Rays | None
    pairs: CurvaturePairs
    trial: F64
    workers: Mapper
    C: float = 0.0
    tol: float = 0.0
    point: Point | None = None
    expansion: Expansion | None = None
    gap: float = field(init=False, default=np.inf)
    n_passes: int = field(init=False, default=0)
    finished: bool = field(init=False, default=False)
    converged: bool = field(init=False, default=False)
    wants_exact: bool = field(init=False, default=True)
    _is_exact: bool = field(init=False, default=True)
    _stalled: bool = field(init=False, default=False)
    _is_scaling: bool = field(init=False, default=False)
    _direction: F64 = field(init=False)
    _slope: float = field(init=False, default=0.0)
    _step: float = field(init=False, default=1.0)
    _backtracks: int = field(init=False, default=0)
    _idle: int = field(init=False, default=0)

    def begin(self, C: float, tol: float) -> None:
        """Go on to another C, from the present point."""
        if self.point is not None:
            self.pairs.rescale(C / self.C)
        self.C, self.tol = C, tol
        self._idle = 0
        self.finished = self.converged = self._stalled = False
        self._step = 1.0
        self._is_scaling = False
        if self.point is not None:
            self._aim()
            self._scale()

    def receive(self, point: Point, is_exact: bool) -> None:
        """Take the data term at ``trial`` and choose the next trial."""
        self.n_passes += 1
        self._is_exact, self.wants_exact = is_exact, False
        if self.point is None or point.theta is self.point.theta:
            self.point = point
            self._aim()
        elif self._decreases(point):
            self._accept(point)
        elif is_exact or self._is_expanded_here:
            self._shorten(point)
        else:
            self._confirm()
        self._settle()

    def _settle(self) -> None:
        """Note whether the point is a solution; one from bfloat16 products is confirmed first."""
        goal = self.tol * self.C * self.total
        self.finished = self._stalled or self.gap <= goal
        if not self._is_expanded_here and not self._is_exact and (self.finished or self._is_far()):
            self._confirm()
        bound = max(self.tol, GAP_FACTOR * RESOLVED) * self.C * self.total
        resolves = self.C * self.rounding <= RESOLVED * self._objective
        self.converged = self.finished and self.gap <= bound and resolves

    @property
    def _is_expanded_here(self) -> bool:
        return self.expansion is not None and self.expansion.point is self.point

    def _is_far(self) -> bool:
        """Whether the expansion point is too far away for what is left to gain."""
        if self.expansion is None:
            return False
        gained = self.expansion.point.objective(self.C) - self._objective
        return self.gap < EXPANSION_SHARE * gained

    def _confirm(self) -> None:
        """Ask for the value at the present point in float32."""
        self.finished = self._stalled = False
        self._idle = 0
        self.wants_exact = True
        self.trial = self.current.theta

    @property
    def current(self) -> Point:
        """The present point."""
        if self.point is None:
            raise RuntimeError("no point has been evaluated yet")
        return self.point

    @property
    def _objective(self) -> float:
        return self.current.objective(self.C)

    def _aim(self) -> None:
        """Set the direction and the full-step trial from the present point."""
        gradient = self.current.objective_gradient(self.C)
        self._direction = -self.pairs.apply(gradient, self._precondition)
        self._slope = float(np.vdot(gradient, self._direction))
        if self._slope >= 0 and self.pairs:
            self.pairs.clear()
            return self._aim()
        self.gap = -0.5 * GAP_FACTOR * self._slope
        self._step, self._backtracks = min(1.0, 2 * self._step), 0
        self.trial = self.current.theta + self._step * self._direction
        return None

    def _scale(self) -> None:
        """Aim along the ray of the present point where L-BFGS promises little more."""
        if self.rays is None:
            return
        point = self.current
        factor, gain = self.rays.longest(point.theta, point.value, self.C, self.fold)
        if gain > -0.5 * RAY_SHARE * self._slope:
            self._is_scaling = True
            self._direction = (factor - 1) * point.theta
            self._slope = float(np.vdot(point.objective_gradient(self.C), self._direction))
            self.trial = point.theta + self._direction

    def _precondition(self, gradient: F64) -> F64:
        curvature = self.current.curvature
        least = LEAST_CURVATURE * self.total / len(curvature)
        return self.spectrum.solve(gradient, self.C * np.maximum(curvature, least), self.workers)

    def _decreases(self, point: Point) -> bool:
        objective = self._objective
        allowed = ARMIJO * self._step * self._slope + NOISE * abs(objective)
        return bool(point.objective(self.C) <= objective + allowed)

    def _accept(self, point: Point) -> None:
        last, C = self.current, self.C
        change = point.objective_gradient(C) - last.objective_gradient(C)
        if self._is_scaling:
            # The data term is flatter there than where the pairs were taken.
            before, after = float(last.curvature.sum()), float(point.curvature.sum())
            self.pairs.rescale(max(after, 0.0) / before if before > after else 1.0)
            self._is_scaling = False
        self.pairs.add(point.theta - last.theta, change)
        gains = last.objective(C) - point.objective(C) > NOISE * abs(point.objective(C))
        self._idle = 0 if gains else self._idle + 1
        self._stalled = self._idle >= MAX_IDLE
        self.point = point
        self._aim()

    def _shorten(self, point: Point) -> None:
        self._backtracks += 1
        if self._backtracks > MAX_BACKTRACKS:
            self._stalled = not self.pairs
            self.pairs.clear()
            return self._aim()
        # The minimum of the parabola through both values with the slope at the start.
        excess = point.objective(self.C) - self._objective - self._step * self._slope
        minimum = -self._slope * self._step**2 / (2 * excess) if np.isfinite(excess) else 0.0
        self._step = float(np.clip(minimum, 0.1 * self._step, 0.5 * self._step))
        self.trial = self.current.theta + self._step * self._direction
        return None
