"""One optimisation problem of the batch: L-BFGS that is asked for a point, then told its value."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from .pairs import CurvaturePairs
from .precondition import Preconditioner
from .solver_options import F32, F64

ARMIJO = 1e-4
# Rounding of float32 logits shifts an objective by about this much of itself.
NOISE = 2e-7
MAX_BACKTRACKS = 15
# Steps in a row that gain less than the noise: the optimum, as far as float32 can tell.
MAX_IDLE = 6
# A lane that stops gaining has converged if no more than this share of its objective is left, and
# if rounding hides no more than that.
RESOLVED = 1e-5
# Products in bfloat16 err by about 4e-3 of the move away from the anchor: once the predicted
# decrease is this small a share of what was gained since the anchor, a new one is due.
ANCHOR_SHARE = 5e-3


@dataclass(frozen=True)
class Anchor:
    """A point at which the data term is known in float32; near it, only changes are computed.

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
        """The objective here under any C."""
        return C * self.value + 0.5 * float(np.vdot(self.theta[:, :-1], self.theta[:, :-1]))


@dataclass(frozen=True)
class Solution:
    """What is kept of a lane that has left the batch: not its pairs, blocks and anchor.

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
class Lane:
    """L-BFGS on ``theta (k, d + 1)``.

    The preconditioner takes the place of the scaled identity, so the pairs only correct what it
    misses. ``rounding`` is about what float32 may hide of the objective. The lane keeps nothing
    waiting: each pass over X evaluates every lane of the batch at that lane's own trial point,
    whether it is a full step or a shortened one.
    """

    C: float
    fold: int
    positive: int
    trial: F64
    precondition: Preconditioner
    memory_pairs: int
    rounding: float = 0.0
    anchor: Anchor | None = None
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
    def solution(self) -> Solution:
        """Where the lane stands."""
        return Solution(self.theta, self.gradient, self.objective, self.n_passes, self.converged)

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

    def check_anchor(self) -> None:
        """Ask for a new anchor where the present one has become too coarse."""
        if self.anchor is None or not self.started or self.is_exact:
            return
        gained = self.anchor.objective(self.C) / abs(self.objective) - 1
        coarse = self.decrement < ANCHOR_SHARE * gained or bool(self._backtracks)
        if (coarse and self.anchor.theta is not self.theta) or self.finished:
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
        """Note whether the lane is finished, and whether it has converged or is stuck.

        Parameters
        ----------
        tol : float
            Relative decrease that may be left.
        least : float
            What the decrease is relative to where the objective itself is smaller.
        """
        size = max(abs(self.objective), least)
        left = self.decrement * abs(self.objective)
        self.finished = self.started and (self.stalled or left <= tol * size)
        enough = max(tol, RESOLVED) * size
        self.stuck = self.finished and left > enough
        self.converged = self.finished and max(left, self.rounding) <= enough

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
        excess = objective - self.objective - self._step * self._slope
        best = -self._slope * self._step**2 / (2 * excess) if np.isfinite(excess) else 0.0
        self._step = float(np.clip(best, 0.1 * self._step, 0.5 * self._step))
        self.trial = self.theta + self._step * self._direction
        return None
