"""One optimisation of the batch: L-BFGS that proposes a point and is then told its value."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from .curvature_pairs import CurvaturePairs
from .preconditioner import Preconditioner
from .solver_options import F32, F64

ARMIJO = 1e-4
# Relative rounding error of an objective from float32 logits.
NOISE = 2e-7
MAX_BACKTRACKS = 15
# After so many steps in a row that gain less than the noise, float32 resolves no further decrease.
MAX_IDLE = 6
# A subproblem without further decrease has converged if the predicted decrease and the rounding
# error are at most this share of its objective.
RESOLVED = 1e-5
# Products in bfloat16 have an error of about 4e-3 of the distance from the expansion point. A new
# point is due once the predicted decrease is below this share of the decrease since the last one.
EXPANSION_SHARE = 5e-3


@dataclass(frozen=True)
class ExpansionPoint:
    """A point where the data term was computed in float32; near it, only changes are computed.

    Attributes
    ----------
    theta : float64 (k, d + 1)
    logits, residuals : float32 (k, n_samples)
    value : float
        The data term without C.
    gradient : float64 (k, d + 1)
        Its gradient.
    """

    theta: F64
    logits: F32
    residuals: F32
    value: float
    gradient: F64

    def objective(self, C: float) -> float:
        """The objective at this point for any C."""
        return C * self.value + 0.5 * float(np.vdot(self.theta[:, :-1], self.theta[:, :-1]))


@dataclass(frozen=True)
class SubproblemSolution:
    """The result of a subproblem that has left the batch, without the solver's state.

    Attributes
    ----------
    theta, gradient : float64 (k, d + 1)
    objective : float
    n_passes : int
    converged : bool
    """

    theta: F64
    gradient: F64
    objective: float
    n_passes: int
    converged: bool


@dataclass(eq=False)
class Subproblem:
    """L-BFGS on ``theta (k, d + 1)``, with a preconditioner in place of the scaled identity.

    Each pass over X evaluates every subproblem of the batch at its own ``trial``, be it a full step
    or a shortened one. ``rounding`` is the absolute rounding error of the objective.
    """

    C: float
    fold: int
    class_index: int
    trial: F64
    precondition: Preconditioner
    memory_pairs: int
    rounding: float = 0.0
    expansion: ExpansionPoint | None = None
    theta: F64 = field(init=False)
    objective: float = field(init=False, default=np.inf)
    gradient: F64 = field(init=False)
    decrement: float = field(init=False, default=np.inf)
    n_passes: int = field(init=False, default=0)
    since_built: int = field(init=False, default=0)
    stalled: bool = field(init=False, default=False)
    finished: bool = field(init=False, default=False)
    stuck: bool = field(init=False, default=False)
    converged: bool = field(init=False, default=False)
    wants_exact: bool = field(init=False, default=False)
    is_exact: bool = field(init=False, default=True)
    _confirming: bool = field(init=False, default=False)
    _direction: F64 = field(init=False)
    _slope: float = field(init=False, default=0.0)
    _step: float = field(init=False, default=1.0)
    _backtracks: int = field(init=False, default=0)
    _idle: int = field(init=False, default=0)
    _pairs: CurvaturePairs = field(init=False)

    def __post_init__(self) -> None:
        """Start without any curvature pairs."""
        self._pairs = CurvaturePairs(self.memory_pairs)

    @property
    def started(self) -> bool:
        """Whether a first point has been evaluated."""
        return bool(np.isfinite(self.objective))

    @property
    def needs_exact_pass(self) -> bool:
        """Whether the trial must be evaluated in float32."""
        return self.wants_exact or self.expansion is None

    @property
    def solution(self) -> SubproblemSolution:
        """The current point, as a result."""
        return SubproblemSolution(
            self.theta, self.gradient, self.objective, self.n_passes, self.converged
        )

    def receive(self, objective: float, gradient: F64, exact: bool = True) -> None:
        """Take the value and gradient at ``trial`` and choose the next trial."""
        self.n_passes += 1
        self.since_built += 1
        self.is_exact, self.wants_exact = exact, False
        if self._confirming:
            self._confirming = False
            self.objective, self.gradient = objective, gradient
            self.aim()
        elif not self.started or self._decreases(objective):
            self._accept(objective, gradient)
        else:
            self._shorten(objective)

    def confirm(self) -> None:
        """Ask for the value at the current point in float32 before it counts as converged."""
        self.converged = self.finished = self.stalled = self.stuck = False
        self.wants_exact = self._confirming = True
        self._idle = 0
        self.trial = self.theta

    def check_expansion(self) -> None:
        """Ask for a new expansion point where the present one is too far away."""
        if self.expansion is None or not self.started or self.is_exact:
            return
        gained = self.expansion.objective(self.C) / abs(self.objective) - 1
        coarse = self.decrement < EXPANSION_SHARE * gained or bool(self._backtracks)
        if (coarse and self.expansion.theta is not self.theta) or self.finished:
            self.confirm()

    def rebuild(self, precondition: Preconditioner) -> None:
        """Go on from the same point with another preconditioner."""
        self.precondition = precondition
        self.since_built = self._idle = 0
        self.stalled = self.finished = self.stuck = False
        self._pairs.clear()
        self._step = 1.0
        self.aim()

    def settle(self, tol: float, least: float) -> None:
        """Note whether the subproblem is finished, and whether it has converged or is stuck.

        Parameters
        ----------
        tol : float
            Largest predicted decrease, relative to the objective.
        least : float
            Replaces a smaller objective in that ratio.
        """
        size = max(abs(self.objective), least)
        decrease = self.decrement * abs(self.objective)
        self.finished = self.started and (self.stalled or decrease <= tol * size)
        bound = max(tol, RESOLVED) * size
        self.stuck = self.finished and decrease > bound
        self.converged = self.finished and max(decrease, self.rounding) <= bound

    def aim(self) -> None:
        """Set the direction and the full-step trial from the current point."""
        self._direction = -self._pairs.apply(self.gradient, self.precondition)
        self._slope = float(np.vdot(self.gradient, self._direction))
        if self._slope >= 0 and self._pairs:
            self._pairs.clear()
            return self.aim()
        self.decrement = -0.5 * self._slope / max(abs(self.objective), 1e-300)
        self._step, self._backtracks = min(1.0, 2 * self._step), 0
        self.trial = self.theta + self._step * self._direction

    def _decreases(self, objective: float) -> bool:
        allowed = ARMIJO * self._step * self._slope + NOISE * abs(self.objective)
        return bool(objective <= self.objective + allowed)

    def _accept(self, objective: float, gradient: F64) -> None:
        if self.started:
            self._pairs.add(self.trial - self.theta, gradient - self.gradient)
            gains = self.objective - objective > NOISE * abs(objective)
            self._idle = 0 if gains else self._idle + 1
            self.stalled = self._idle >= MAX_IDLE
        self.theta, self.objective, self.gradient = self.trial, objective, gradient
        self.aim()

    def _shorten(self, objective: float) -> None:
        self._backtracks += 1
        if self._backtracks > MAX_BACKTRACKS:
            self.stalled = not self._pairs
            self._pairs.clear()
            return self.aim()
        # The minimum of the parabola through both values with the slope at the start.
        excess = objective - self.objective - self._step * self._slope
        minimum = -self._slope * self._step**2 / (2 * excess) if np.isfinite(excess) else 0.0
        self._step = float(np.clip(minimum, 0.1 * self._step, 0.5 * self._step))
        self.trial = self.theta + self._step * self._direction
        return None
