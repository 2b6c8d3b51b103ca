"""Evaluating all subproblems in one pass over X, and building their Hessian blocks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .design import Design
from .hessian_blocks import BlockPreconditioner, Curvature, RowSample
from .losses import Loss, SubproblemIndex
from .packed_rows import PackedRows
from .preconditioner import GramPreconditioner, GramSpectrum
from .solver_options import F32, F64, Ints, SolverOptions
from .subproblem import ExpansionPoint, Subproblem

SUBPROBLEMS_AT_ONCE = 16
# Folds whose weights have at least this cosine share second derivatives. Two training parts of a
# 5-fold split have 0.75; a training part and the whole have 0.89.
LEAST_FOLD_COSINE = 0.7


@dataclass(frozen=True)
class Problem:
    """One data set under one loss.

    Attributes
    ----------
    design : Design
    loss : Loss
    fold_totals : float64 (n_folds,)
        Sums of the sample weights.
    fold_norms : float64 (n_folds,)
        Euclidean norms of the sample weights.
    similar_folds : int64 (n_folds,)
        For each fold, the first fold with similar weights, see `similar_folds`.
    spectrum : GramSpectrum
    options : SolverOptions
    packed : sequence of PackedRows
        X in bfloat16; empty where it is not packed.
    """

    design: Design
    loss: Loss
    fold_totals: F64
    fold_norms: F64
    similar_folds: Ints
    spectrum: GramSpectrum
    options: SolverOptions
    packed: Sequence[PackedRows] = ()

    def strength(self, C: float, fold: int) -> float:
        """Curvature of the data term at zero, in a direction of unit variance."""
        return C * float(self.fold_totals[fold]) * self.loss.curvature_at_zero

    def rounding(self, C: float, fold: int) -> float:
        """Rounding error of an objective: the samples' errors are independent."""
        return C * float(self.fold_norms[fold]) * self.loss.rounding

    def gram_preconditioner(self, C: float, fold: int) -> GramPreconditioner:
        """The preconditioner from the shared Gram matrix at this C."""
        return GramPreconditioner(self.spectrum, self.strength(C, fold))

    def evaluate(self, subproblems: Sequence[Subproblem]) -> None:
        """Tell every subproblem its objective and gradient at its trial: one pass over X.

        Those that need float32 go first. Others fill their pass up: further columns cost little,
        and they gain a nearer expansion point.
        """
        exact = [sub for sub in subproblems if not self.packed or sub.needs_exact_pass]
        ordered = exact + [sub for sub in subproblems if sub not in exact]
        for start in range(0, len(ordered), SUBPROBLEMS_AT_ONCE):
            self._evaluate(ordered[start : start + SUBPROBLEMS_AT_ONCE], start < len(exact))

    def _evaluate(self, subproblems: Sequence[Subproblem], exact: bool) -> None:
        trials = np.stack([subproblem.trial for subproblem in subproblems])
        values, gradients = (self._data_term if exact else self._change)(subproblems, trials)

        def tell(i: int) -> None:
            subproblem, trial = subproblems[i], trials[i]
            gradient = subproblem.C * gradients[i]
            gradient[:, :-1] += trial[:, :-1]
            penalty = 0.5 * float(np.vdot(trial[:, :-1], trial[:, :-1]))
            subproblem.receive(subproblem.C * float(values[i]) + penalty, gradient, exact)

        self.design.workers.map(tell, range(len(subproblems)))

    def curvatures(
        self, subproblems: Sequence[Subproblem], points: Sequence[F64]
    ) -> list[Curvature]:
        """Second derivatives of each subproblem's loss at its point, as weighted Gram matrices."""
        curvatures: list[Curvature] = []
        for start in range(0, len(subproblems), SUBPROBLEMS_AT_ONCE):
            part = slice(start, start + SUBPROBLEMS_AT_ONCE)
            curvatures += self._curvatures(subproblems[part], np.stack(points[part]))
        return curvatures

    def factor(
        self, subproblems: Sequence[Subproblem], curvatures: Sequence[Curvature]
    ) -> list[BlockPreconditioner]:
        """Turn each subproblem's curvature into a preconditioner at the subproblem's C.

        The curvature of a similar fold is scaled to the weight of the subproblem's own fold.
        """
        totals = self.fold_totals
        tasks = [
            (subproblem.C * float(totals[subproblem.fold] / totals[curvature.fold]), gram)
            for subproblem, curvature in zip(subproblems, curvatures, strict=True)
            for gram in curvature.grams
        ]
        blocks = self.design.workers.map(lambda task: task[1].block(task[0]), tasks)
        k = self.loss.n_columns
        return [
            BlockPreconditioner(curvature.basis, tuple(blocks[i * k : i * k + k]), self.spectrum)
            for i, curvature in enumerate(curvatures)
        ]

    def _data_term(self, subproblems: Sequence[Subproblem], thetas: F64) -> tuple[F64, F64]:
        """Values and gradients in float32; with packed rows, also new expansion points."""
        n_subproblems, k, width = thetas.shape
        index = _index(subproblems)
        weights, offsets = self.design.fold_in(thetas.reshape(-1, width))
        kept = np.empty(
            (2, n_subproblems, k, self.design.n_samples if self.packed else 0), np.float32
        )

        def work(x: F32, rows: slice) -> tuple[NDArray[Any], ...]:
            flat = weights @ x.T
            flat += offsets
            logits = flat.reshape(n_subproblems, k, -1)
            if self.packed:
                kept[0, :, :, rows] = logits
            loss, residuals = self.loss.residuals(logits, index, rows)
            if self.packed:
                kept[1, :, :, rows] = residuals
            flat = residuals.reshape(n_subproblems * k, -1)
            return loss, flat @ x, flat.sum(axis=1, dtype=np.float64)

        loss, products, sums = self.design.sum_blocks(work)
        gradients = self.design.fold_out(products, sums).reshape(thetas.shape)
        if self.packed:
            for i, subproblem in enumerate(subproblems):
                subproblem.expansion = ExpansionPoint(
                    subproblem.trial, kept[0, i], kept[1, i], float(loss[i]), gradients[i]
                )
        return loss, gradients

    def _change(self, subproblems: Sequence[Subproblem], thetas: F64) -> tuple[F64, F64]:
        """Values and gradients at the expansion points plus the change since, in bfloat16."""
        n_subproblems, k, width = thetas.shape
        index = _index(subproblems)
        expansions = [subproblem.expansion for subproblem in subproblems if subproblem.expansion]
        moves = (thetas - [expansion.theta for expansion in expansions]).reshape(-1, width)
        weights, offsets = moves[:, :-1].astype(np.float32), moves[:, -1:].astype(np.float32)

        def work(block: PackedRows) -> tuple[F64, F64]:
            flat = block.logits(weights) + offsets
            logits = flat.reshape(n_subproblems, k, -1)
            for values, expansion in zip(logits, expansions, strict=True):
                values += expansion.logits[:, block.rows]
            loss, residuals = self.loss.residuals(logits, index, block.rows)
            for values, expansion in zip(residuals, expansions, strict=True):
                values -= expansion.residuals[:, block.rows]
            flat = residuals.reshape(n_subproblems * k, -1)
            sums = flat.sum(axis=1, dtype=np.float64)[:, None]
            return loss, np.concatenate([block.gradient(flat), sums], axis=1)

        parts = self.design.workers.map(work, self.packed)
        loss = np.sum([part[0] for part in parts], axis=0)
        change: F64 = np.sum([part[1] for part in parts], axis=0, dtype=np.float64)
        gradients = np.stack([expansion.gradient for expansion in expansions])
        return loss, change.reshape(thetas.shape) + gradients

    def _logits(self, thetas: F64) -> F32:
        n_subproblems, k, width = thetas.shape
        weights, offsets = self.design.fold_in(thetas.reshape(-1, width))
        logits = np.empty((n_subproblems * k, self.design.n_samples), dtype=np.float32)

        def work(x: F32, rows: slice) -> None:
            logits[:, rows] = weights @ x.T + offsets

        self.design.for_blocks(work)
        return logits.reshape(n_subproblems, k, -1)

    def _curvatures(self, subproblems: Sequence[Subproblem], thetas: F64) -> list[Curvature]:
        design, options = self.design, self.options
        logits = self._logits(thetas)
        logits *= np.float32(self.loss.damping)
        seconds = [
            self.loss.curvature(logits[i : i + 1], _index([subproblem]))
            for i, subproblem in enumerate(subproblems)
        ]
        rank = min(options.hessian_rank or self.loss.hessian_rank, design.n_features)
        affordable = max(1, options.max_block_bytes // (4 * rank))
        most = options.hessian_rows or self.loss.hessian_rows
        sample = RowSample(min(most, affordable), rank, options.random_state)
        columns = [row for _, rows in seconds for row in rows]
        grams = sample.grams(design, self.spectrum, columns)
        k = self.loss.n_columns
        return [
            Curvature(subproblems[i].fold, basis, tuple(grams[i * k : i * k + k]))
            for i, (basis, _) in enumerate(seconds)
        ]


def similar_folds(weights: F32) -> Ints:
    """Return, for each row of weights, the first similar row, which may be the row itself."""
    norms = np.linalg.norm(weights, axis=1)
    cosines = (weights @ weights.T) / np.multiply.outer(norms, norms)
    similar: Ints = np.arange(len(weights))
    for row in range(len(weights)):
        for earlier in np.unique(similar[:row]):
            if cosines[row, earlier] >= LEAST_FOLD_COSINE:
                similar[row] = earlier
                break
    return similar


def _index(subproblems: Sequence[Subproblem]) -> SubproblemIndex:
    folds = np.array([subproblem.fold for subproblem in subproblems], dtype=np.intp)
    return SubproblemIndex(
        folds, np.array([subproblem.class_index for subproblem in subproblems], dtype=np.int64)
    )
