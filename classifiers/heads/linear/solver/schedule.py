"""The order in which grid points join and leave the batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from .hessian_blocks import Curvature
from .problem import Problem
from .solver_options import F64
from .subproblem import Subproblem, SubproblemSolution

# A grid point joins once its predecessor is this near its own optimum (relative objective).
LAUNCH = 1e-3
# Strength of the data term at the first grid point, which is solved from zero.
FIRST_STRENGTH = 1.0
# Up to this strength the Gram matrix preconditions as well as weighted blocks.
GRAM_STRENGTH = 3.0
# Largest ratio of neighbours in the grid; helper points fill wider gaps.
MAX_RATIO = 10.0
# The tolerance of one class against the rest is relative to its objective, or to this share of the
# classes' mean objective where that is larger: the objective of an easily separated class is tiny,
# and a relative error of it would not be visible in any prediction.
SHARE = 0.1
# Passes with new blocks before they may be renewed again.
RECOVER_PASSES = 30
# How far a start is extrapolated along the path (linearly in log C).
EXTRAPOLATION = 0.8


# A fold that stands for all similar ones, and a class.
CacheKey = tuple[int, int]


class CurvatureCache:
    """Keeps curvatures by fold and class, and by the C of the point where they were taken.

    Parameters
    ----------
    reuse_ratio : float
        A curvature serves grid points from its C up to this multiple of it.
    """

    def __init__(self, reuse_ratio: float) -> None:
        self._reuse_ratio = reuse_ratio
        self._curvatures: dict[CacheKey, dict[float, Curvature]] = {}

    def add(self, key: CacheKey, C: float, curvature: Curvature) -> None:
        """Keep the curvature at a point of this C."""
        self._curvatures.setdefault(key, {})[C] = curvature

    def find(self, key: CacheKey, C: float) -> Curvature | None:
        """Return the curvature of the largest C that serves ``C``, or None."""
        by_origin = self._curvatures.get(key, {})
        serving = [origin for origin in by_origin if origin <= C <= self._reuse_ratio * origin]
        return by_origin[max(serving)] if serving else None


@dataclass
class Chain:
    """The grid of one fold (and class), ascending: each point starts from the one before.

    The next point joins the batch as soon as the newest is roughly solved. So the batch holds
    several points of each chain, in different states of convergence.
    """

    fold: int
    class_index: int
    pending: list[tuple[float, int | None]]
    launched: list[Subproblem] = field(default_factory=list)
    active: list[tuple[Subproblem, int | None]] = field(default_factory=list)
    objectives: dict[float, float] = field(default_factory=dict)

    @property
    def wants_launch(self) -> bool:
        """Whether the next point can start."""
        if not self.pending:
            return False
        newest = self.launched[-1] if self.launched else None
        if newest is None or newest.decrement <= LAUNCH:
            return True
        return all(subproblem is not newest for subproblem, _ in self.active)

    def start(self, shape: tuple[int, int]) -> F64:
        """Starting point of the next grid point: the last two extrapolated, zero for the first."""
        if not self.launched:
            return np.zeros(shape)
        newest = self.launched[-1]
        if len(self.launched) == 1:
            return newest.theta
        older = self.launched[-2]
        ratio = np.log(self.pending[0][0] / newest.C) / np.log(newest.C / older.C)
        step = newest.theta - older.theta
        return np.asarray(newest.theta + min(EXTRAPOLATION * ratio, 1.0) * step)

    def origin(self) -> F64:
        """Where second derivatives for the newest point are taken: at its predecessor.

        A smaller C gives less confident predictions, so the blocks have rather too much curvature
        and steps are rather too short, which is the safe side.
        """
        newest = self.launched[-1]
        return self.launched[0].theta if len(self.launched) == 2 else newest.trial


class Schedule:
    """Runs chains side by side until every requested point has converged or reached its limit."""

    def __init__(self, problem: Problem, chains: Sequence[Chain]) -> None:
        self.problem = problem
        self.chains = chains
        self.finished: dict[tuple[int, int, int], SubproblemSolution] = {}
        self.n_passes = 0
        block_bytes = 4 * problem.loss.n_columns * problem.design.n_features**2
        self._curvatures = CurvatureCache(problem.loss.reuse_ratio)
        self._tolerances = problem.options.tolerances(len(problem.fold_totals))
        self._may_block = block_bytes <= problem.options.max_block_bytes

    def run(self) -> None:
        """Advance all chains together; results land in ``finished[fold, class_index, index]``."""
        self._launch()
        while subproblems := [
            subproblem for chain in self.chains for subproblem, _ in chain.active
        ]:
            self.problem.evaluate(subproblems)
            self.n_passes += 1
            self._retire()
            self._launch()
            self._refresh()

    def _launch(self) -> None:
        fresh = [chain for chain in self.chains if chain.wants_launch]
        for chain in fresh:
            self._add_subproblem(chain)
        self._precondition([c for c in fresh if self._needs_blocks(c.launched[-1])])

    def _precondition(self, chains: Sequence[Chain]) -> None:
        """Give the newest subproblems Hessian blocks, from cached curvatures where they serve."""
        stale = [chain for chain in chains if self._curvature(chain) is None]
        stale.sort(key=lambda chain: chain.launched[-1].C, reverse=True)
        # The smallest C of each key, whose curvature serves larger ones too.
        first = {self._key(chain): chain for chain in stale}
        subproblems = [chain.launched[-1] for chain in first.values()]
        points = [chain.origin() for chain in first.values()]
        computed = dict(zip(first, self.problem.curvatures(subproblems, points), strict=True))
        for key, chain in first.items():
            self._curvatures.add(key, chain.launched[0].C, computed[key])
        newest = [chain.launched[-1] for chain in chains]
        curvatures = [self._curvature(chain) or computed[self._key(chain)] for chain in chains]
        for subproblem, blocks in zip(newest, self.problem.factor(newest, curvatures), strict=True):
            subproblem.precondition = blocks

    def _curvature(self, chain: Chain) -> Curvature | None:
        return self._curvatures.find(self._key(chain), chain.launched[-1].C)

    def _key(self, chain: Chain) -> CacheKey:
        return int(self.problem.similar_folds[chain.fold]), chain.class_index

    def _add_subproblem(self, chain: Chain) -> None:
        problem = self.problem
        start = chain.start((problem.loss.n_columns, problem.design.n_features + 1))
        C, index = chain.pending.pop(0)
        gram = problem.gram_preconditioner(C, chain.fold)
        pairs = problem.options.memory_pairs
        rounding = problem.rounding(C, chain.fold)
        subproblem = Subproblem(C, chain.fold, chain.class_index, start, gram, pairs, rounding)
        if chain.launched:
            subproblem.expansion = chain.launched[-1].expansion
        chain.launched = [*chain.launched[-1:], subproblem]
        chain.active.append((subproblem, index))

    def _needs_blocks(self, subproblem: Subproblem) -> bool:
        return (
            self._may_block and self.problem.strength(subproblem.C, subproblem.fold) > GRAM_STRENGTH
        )

    def _retire(self) -> None:
        max_iter = self.problem.options.max_iter
        for chain in self.chains:
            chain.objectives |= {
                subproblem.C: subproblem.objective for subproblem, _ in chain.active
            }
        scales = self._scales()
        for chain in self.chains:
            for subproblem, index in list(chain.active):
                goal = LAUNCH if index is None else self._tolerances[subproblem.fold]
                subproblem.settle(goal, scales[subproblem.fold, subproblem.C] * SHARE)
                if index is not None or not subproblem.finished:
                    subproblem.check_expansion()
                if subproblem.n_passes < max_iter and (
                    not subproblem.finished or self._may_recover(subproblem)
                ):
                    continue
                chain.active.remove((subproblem, index))
                if index is not None:
                    self.finished[chain.fold, chain.class_index, index] = subproblem.solution

    def _may_recover(self, subproblem: Subproblem) -> bool:
        """Whether a subproblem that is stuck before it converged gets new blocks at its point."""
        return (
            subproblem.stuck
            and subproblem.since_built >= RECOVER_PASSES
            and self._needs_blocks(subproblem)
        )

    def _scales(self) -> dict[tuple[int, float], float]:
        """Mean objective over the classes of each active fold and C."""
        groups: dict[tuple[int, float], list[float]] = {}
        for chain in self.chains:
            for C, objective in chain.objectives.items():
                groups.setdefault((chain.fold, C), []).append(objective)
        return {key: float(np.mean(values)) for key, values in groups.items()}

    def _refresh(self) -> None:
        subproblems = [subproblem for chain in self.chains for subproblem, _ in chain.active]
        stale = [subproblem for subproblem in subproblems if self._may_recover(subproblem)]
        if stale:
            curvatures = self.problem.curvatures(stale, [sub.theta for sub in stale])
            for subproblem, blocks in zip(
                stale, self.problem.factor(stale, curvatures), strict=True
            ):
                subproblem.rebuild(blocks)


def extended_grid(
    grid: Sequence[tuple[float, int]], first: float
) -> list[tuple[float, int | None]]:
    """Sort a grid, and fill its gaps with helper points from ``first`` on.

    Returns
    -------
    list of (C, index)
        The index in the caller's grid, or None for a helper point.
    """
    c_grid: list[tuple[float, int | None]] = []
    last = first
    for C, index in sorted(grid):
        if last < C:
            n_helpers = int(np.ceil(np.log(C / last) / np.log(MAX_RATIO) - 1e-9))
            steps = np.geomspace(last, C, n_helpers + 1)[:-1]
            c_grid += [(float(c), None) for c in (steps if not c_grid else steps[1:])]
        c_grid.append((C, index))
        last = max(C, last)
    return c_grid
