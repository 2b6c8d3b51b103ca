"""The order in which grid points join and leave the batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from .curvature_cache import Group, KnownCurvatures
from .problem import Problem
from .row_blocks import Curvature
from .solver_options import F64
from .subproblem import Lane, Solution

# A grid point joins once its predecessor is this near its own optimum (relative objective).
LAUNCH = 1e-3
# Helper points start at this strength of the data term, which is solved from zero.
FIRST_STRENGTH = 1.0
# Below this strength the Gram matrix alone is as good as weighted blocks.
GRAM_STRENGTH = 3.0
# Largest step between neighbours; helper points that nobody asked for fill wider gaps.
MAX_RATIO = 10.0
# One against the rest, a class is held to the tolerance of at least this share of the classes'
# mean objective: what is left of an easy class' own objective is all but nothing.
SHARE = 0.1
# New blocks that help no more than this are the last ones.
RECOVER_PASSES = 30
# How far a start is extrapolated along the path (linearly in log C).
EXTRAPOLATION = 0.8


@dataclass
class Chain:
    """The grid of one fold (and class), ascending: each point starts from the one before.

    Only the newest point is waited for, and only until it is roughly solved; the batch then
    holds several points of each chain in different states of convergence.
    """

    fold: int
    positive: int
    pending: list[tuple[float, int | None]]
    launched: list[Lane] = field(default_factory=list)
    active: list[tuple[Lane, int | None]] = field(default_factory=list)
    objectives: dict[float, float] = field(default_factory=dict)

    @property
    def wants_launch(self) -> bool:
        """Whether the next point can start."""
        if not self.pending:
            return False
        newest = self.launched[-1] if self.launched else None
        if newest is None or newest.decrement <= LAUNCH:
            return True
        return all(lane is not newest for lane, _ in self.active)

    def start(self, shape: tuple[int, int]) -> F64:
        """Where the next point starts: extrapolated from the last two, zero for the first."""
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

        A smaller C leaves less confident predictions, so the blocks err towards too much
        curvature and steps towards too short, which is the safe side.
        """
        newest = self.launched[-1]
        return self.launched[0].theta if len(self.launched) == 2 else newest.trial


class Schedule:
    """Runs chains side by side until every requested point has converged or given up."""

    def __init__(self, problem: Problem, chains: Sequence[Chain]) -> None:
        self.problem = problem
        self.chains = chains
        self.finished: dict[tuple[int, int, int], Solution] = {}
        self.n_passes = 0
        block_bytes = 4 * problem.loss.n_columns * problem.design.n_features**2
        self._known = KnownCurvatures(problem.loss.reuse_ratio)
        self._tolerances = problem.options.tolerances(len(problem.fold_totals))
        self._may_block = block_bytes <= problem.options.max_block_bytes

    def run(self) -> None:
        """Advance all chains together; results land in ``finished[fold, positive, index]``."""
        self._launch()
        while lanes := [lane for chain in self.chains for lane, _ in chain.active]:
            self.problem.evaluate(lanes)
            self.n_passes += 1
            self._retire()
            self._launch()
            self._refresh()

    def _launch(self) -> None:
        fresh = [chain for chain in self.chains if chain.wants_launch]
        for chain in fresh:
            self._add_lane(chain)
        self._precondition([c for c in fresh if self._needs_blocks(c.launched[-1])])

    def _precondition(self, chains: Sequence[Chain]) -> None:
        """Give the newest lanes blocks, of second derivatives that are known if they serve."""
        stale = [chain for chain in chains if self._curvature(chain) is None]
        stale.sort(key=lambda chain: chain.launched[-1].C, reverse=True)
        # Of each group, the smallest C goes ahead: what is found there errs towards too much.
        pioneers = {self._group(chain): chain for chain in stale}
        lanes = [chain.launched[-1] for chain in pioneers.values()]
        points = [chain.origin() for chain in pioneers.values()]
        found = dict(zip(pioneers, self.problem.curvatures(lanes, points), strict=True))
        for group, chain in pioneers.items():
            self._known.add(group, chain.launched[0].C, found[group])
        fresh = [chain.launched[-1] for chain in chains]
        known = [self._curvature(chain) or found[self._group(chain)] for chain in chains]
        for lane, blocks in zip(fresh, self.problem.factor(fresh, known), strict=True):
            lane.precondition = blocks

    def _curvature(self, chain: Chain) -> Curvature | None:
        return self._known.find(self._group(chain), chain.launched[-1].C)

    def _group(self, chain: Chain) -> Group:
        return int(self.problem.fold_kin[chain.fold]), chain.positive

    def _add_lane(self, chain: Chain) -> None:
        problem = self.problem
        start = chain.start((problem.loss.n_columns, problem.design.n_features + 1))
        C, index = chain.pending.pop(0)
        gram = problem.gram_preconditioner(C, chain.fold)
        pairs = problem.options.memory_pairs
        rounding = problem.rounding(C, chain.fold)
        lane = Lane(C, chain.fold, chain.positive, start, gram, pairs, rounding)
        if chain.launched:
            lane.anchor = chain.launched[-1].anchor
        chain.launched = [*chain.launched[-1:], lane]
        chain.active.append((lane, index))

    def _needs_blocks(self, lane: Lane) -> bool:
        return self._may_block and self.problem.strength(lane.C, lane.fold) > GRAM_STRENGTH

    def _retire(self) -> None:
        max_iter = self.problem.options.max_iter
        for chain in self.chains:
            chain.objectives |= {lane.C: lane.objective for lane, _ in chain.active}
        scales = self._scales()
        for chain in self.chains:
            for lane, index in list(chain.active):
                goal = LAUNCH if index is None else self._tolerances[lane.fold]
                lane.settle(goal, scales[lane.fold, lane.C] * SHARE)
                if index is not None or not lane.finished:
                    lane.check_anchor()
                if lane.n_passes < max_iter and (not lane.finished or self._may_recover(lane)):
                    continue
                chain.active.remove((lane, index))
                if index is not None:
                    self.finished[chain.fold, chain.positive, index] = lane.solution

    def _may_recover(self, lane: Lane) -> bool:
        """Whether a lane that is stuck short of its goal gets new blocks, where it stands."""
        return lane.stuck and lane.since_built >= RECOVER_PASSES and self._needs_blocks(lane)

    def _scales(self) -> dict[tuple[int, float], float]:
        """Mean objective over the classes of each active fold and C."""
        groups: dict[tuple[int, float], list[float]] = {}
        for chain in self.chains:
            for C, objective in chain.objectives.items():
                groups.setdefault((chain.fold, C), []).append(objective)
        return {key: float(np.mean(values)) for key, values in groups.items()}

    def _refresh(self) -> None:
        lanes = [lane for chain in self.chains for lane, _ in chain.active]
        stale = [lane for lane in lanes if self._may_recover(lane)]
        if stale:
            found = self.problem.curvatures(stale, [lane.theta for lane in stale])
            for lane, blocks in zip(stale, self.problem.factor(stale, found), strict=True):
                lane.rebuild(blocks)


def ladder(grid: Sequence[tuple[float, int]], first: float) -> list[tuple[float, int | None]]:
    """Sort a grid and fill its gaps with helper points, starting at ``first`` where it is lower."""
    rungs: list[tuple[float, int | None]] = []
    last = first
    for C, index in sorted(grid):
        if last < C:
            n_helpers = int(np.ceil(np.log(C / last) / np.log(MAX_RATIO) - 1e-9))
            steps = np.geomspace(last, C, n_helpers + 1)[:-1]
            rungs += [(float(c), None) for c in (steps if not rungs else steps[1:])]
        rungs.append((C, index))
        last = max(C, last)
    return rungs
