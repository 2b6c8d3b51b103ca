"""Evaluating the data terms of all folds in one pass over X."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .design import Design
from .losses import Loss
from .packed_rows import PackedRows, can_pack, pack_rows
from .solver_options import F32, F64
from .subproblem import Expansion, Point, Subproblem

# A product of X with few columns gains by bfloat16 as if it had so many more: it waits for memory.
EXTRA_COLUMNS = 6
# X is packed once the passes in float32 have cost about as much as the packing: so many
# multiply-adds, and so many for each number of X.
PACK_FIXED_WORK = 5e9
PACK_WORK = 300


@dataclass
class Problem:
    """One data set under one loss.

    Attributes
    ----------
    design : Design
    loss : Loss
    max_fast_bytes : int
        See `SolverOptions`.
    """

    design: Design
    loss: Loss
    max_fast_bytes: int
    n_passes: int = field(init=False, default=0)
    _packed: Sequence[PackedRows] = field(init=False, default=())
    _work: float = field(init=False, default=0.0)

    def evaluate(self, subproblems: Sequence[Subproblem]) -> None:
        """Tell every subproblem its data term at its trial: one pass over X.

        If one of them asks for float32, all take part: they gain a nearer expansion point.
        """
        self.n_passes += 1
        is_exact = not self._packed or any(sub.wants_exact for sub in subproblems)
        points = (self._exact if is_exact else self._change)(subproblems)

        self.for_each(
            [
                partial(sub.receive, point, is_exact)
                for sub, point in zip(subproblems, points, strict=True)
            ]
        )

    def for_each(self, steps: Sequence[Callable[[], None]]) -> None:
        """Take a step of each fold, side by side; that of a single one may itself use threads."""
        if len(steps) == 1:
            steps[0]()
        else:
            self.design.workers.map(lambda step: step(), steps)

    def _exact(self, subproblems: Sequence[Subproblem]) -> list[Point]:
        """Data terms in float32; with packed rows, also new expansion points."""
        self._pack_if_due(len(subproblems))
        n, k = len(subproblems), self.loss.n_columns
        folds = _folds(subproblems)
        weights, offsets = self.design.fold_in(np.concatenate([sub.trial for sub in subproblems]))
        kept = np.empty((2, n, k, self.design.n_samples if self._packed else 0), np.float32)

        def work(x: F32, rows: slice) -> tuple[NDArray[Any], ...]:
            flat = weights @ x.T
            flat += offsets
            logits = flat.reshape(n, k, -1)
            if self._packed:
                kept[0, :, :, rows] = logits
            loss, residuals, curvature = self.loss.evaluate(logits, folds, rows)
            if self._packed:
                kept[1, :, :, rows] = residuals
            flat = residuals.reshape(n * k, -1)
            return loss, flat @ x, flat.sum(axis=1, dtype=np.float64), curvature

        loss, products, sums, curvature = self.design.sum_blocks(work, n * k)
        gradients = self.design.fold_out(products, sums).reshape(n, k, -1)
        points = [
            Point(sub.trial, float(loss[i]), gradients[i], curvature[i])
            for i, sub in enumerate(subproblems)
        ]
        if self._packed:
            for i, sub in enumerate(subproblems):
                sub.expansion = Expansion(points[i], kept[0, i], kept[1, i])
        return points

    def _change(self, subproblems: Sequence[Subproblem]) -> list[Point]:
        """Data terms at the expansion points plus the change since, in bfloat16."""
        n, k = len(subproblems), self.loss.n_columns
        folds = _folds(subproblems)
        expansions = [sub.expansion for sub in subproblems if sub.expansion]
        moves = np.concatenate(
            [
                sub.trial - expansion.point.theta
                for sub, expansion in zip(subproblems, expansions, strict=True)
            ]
        )
        weights, offsets = moves[:, :-1].astype(np.float32), moves[:, -1:].astype(np.float32)

        def work(block: PackedRows) -> tuple[F64, F64, F64]:
            flat = block.logits(weights) + offsets
            logits = flat.reshape(n, k, -1)
            for values, expansion in zip(logits, expansions, strict=True):
                values += expansion.logits[:, block.rows]
            loss, residuals, curvature = self.loss.evaluate(logits, folds, block.rows)
            for values, expansion in zip(residuals, expansions, strict=True):
                values -= expansion.residuals[:, block.rows]
            flat = residuals.reshape(n * k, -1)
            sums = flat.sum(axis=1, dtype=np.float64)[:, None]
            return loss, np.concatenate([block.gradient(flat), sums], axis=1), curvature

        parts = self.design.workers.map(work, self._packed)
        loss, change, curvature = (
            np.asarray(np.sum(np.stack(column), axis=0, dtype=np.float64))
            for column in zip(*parts, strict=True)
        )
        change = change.reshape(n, k, -1)
        return [
            Point(sub.trial, float(loss[i]), expansion.point.gradient + change[i], curvature[i])
            for i, (sub, expansion) in enumerate(zip(subproblems, expansions, strict=True))
        ]

    def _pack_if_due(self, n_subproblems: int) -> None:
        size = self.design.n_samples * self.design.n_features
        self._work += size * (n_subproblems * self.loss.n_columns + EXTRA_COLUMNS)
        is_due = self._work > PACK_FIXED_WORK + PACK_WORK * size
        if is_due and not self._packed and can_pack(self.design, self.max_fast_bytes):
            self._packed = pack_rows(self.design)


def _folds(subproblems: Sequence[Subproblem]) -> NDArray[np.intp]:
    return np.array([sub.fold for sub in subproblems], dtype=np.intp)
