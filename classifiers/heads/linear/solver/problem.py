"""The batch's arithmetic: evaluate all lanes in one pass, build their Hessian blocks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .design import Design
from .fast_products import FastBlock
from .losses import Batch, Loss
from .precondition import GramPreconditioner, GramSpectrum
from .row_blocks import BlockPreconditioner, Curvature, RowSample
from .solver_options import F32, F64, Ints, SolverOptions
from .subproblem import Anchor, Lane

LANES_AT_ONCE = 16
# Least cosine between the weights of folds that lend each other second derivatives: two training
# parts of a 5-fold split have 0.75, one and the whole 0.89.
KINSHIP = 0.7


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
    fold_kin : int64 (n_folds,)
        The first fold whose weights are much like a fold's own, see `kin`.
    spectrum : GramSpectrum
    options : SolverOptions
    fast : sequence of FastBlock
        X in bfloat16; empty where there is none.
    """

    design: Design
    loss: Loss
    fold_totals: F64
    fold_norms: F64
    fold_kin: Ints
    spectrum: GramSpectrum
    options: SolverOptions
    fast: Sequence[FastBlock] = ()

    def strength(self, C: float, fold: int) -> float:
        """Curvature of the data term along a direction of unit variance, at zero."""
        return C * float(self.fold_totals[fold]) * self.loss.curvature_at_zero

    def rounding(self, C: float, fold: int) -> float:
        """About how much of an objective is rounding: each sample's loss errs on its own."""
        return C * float(self.fold_norms[fold]) * self.loss.rounding

    def gram_preconditioner(self, C: float, fold: int) -> GramPreconditioner:
        """The shared Gram matrix at this C."""
        strength = self.strength(C, fold)
        return GramPreconditioner(self.spectrum, strength, self.options.fit_intercept)

    def evaluate(self, lanes: Sequence[Lane]) -> None:
        """Tell every lane its objective and gradient at its trial: one pass over X.

        A float32 pass costs hardly more with further columns: lanes that need none fill it up,
        which spares them their own pass and brings their anchors nearer.
        """
        needy = [lane for lane in lanes if lane.wants_exact or lane.anchor is None or not self.fast]
        ordered = needy + [lane for lane in lanes if lane not in needy]
        for start in range(0, len(ordered), LANES_AT_ONCE):
            self._evaluate(ordered[start : start + LANES_AT_ONCE], start < len(needy))

    def _evaluate(self, lanes: Sequence[Lane], exact: bool) -> None:
        trials = np.stack([lane.trial for lane in lanes])
        values, gradients = (self._data_term if exact else self._change)(lanes, trials)

        def tell(i: int) -> None:
            lane, trial = lanes[i], trials[i]
            gradient = lane.C * gradients[i]
            gradient[:, :-1] += trial[:, :-1]
            if not self.options.fit_intercept:
                gradient[:, -1] = 0
            penalty = 0.5 * float(np.vdot(trial[:, :-1], trial[:, :-1]))
            lane.receive(lane.C * float(values[i]) + penalty, gradient, exact)

        self.design.workers.map(tell, range(len(lanes)))

    def curvatures(self, lanes: Sequence[Lane], points: Sequence[F64]) -> list[Curvature]:
        """Second derivatives of each lane's loss at its point, as weighted Gram matrices."""
        found: list[Curvature] = []
        for start in range(0, len(lanes), LANES_AT_ONCE):
            part = slice(start, start + LANES_AT_ONCE)
            found += self._curvatures(lanes[part], np.stack(points[part]))
        return found

    def factor(
        self, lanes: Sequence[Lane], curvatures: Sequence[Curvature]
    ) -> list[BlockPreconditioner]:
        """Turn each lane's curvature into a preconditioner at the lane's C.

        The curvature may be that of a similar fold; it counts as much as the lane's own would.
        """
        totals = self.fold_totals
        tasks = [
            (lane.C * float(totals[lane.fold] / totals[curvature.fold]), gram)
            for lane, curvature in zip(lanes, curvatures, strict=True)
            for gram in curvature.grams
        ]
        centred = self.options.fit_intercept
        blocks = self.design.workers.map(lambda task: task[1].block(task[0], centred), tasks)
        k = self.loss.n_columns
        return [
            BlockPreconditioner(
                curvature.basis, tuple(blocks[i * k : i * k + k]), self.spectrum, centred
            )
            for i, curvature in enumerate(curvatures)
        ]

    def _data_term(self, lanes: Sequence[Lane], thetas: F64) -> tuple[F64, F64]:
        """Values and gradients in float32; where changes are to follow, anchors too."""
        n_lanes, k, width = thetas.shape
        batch = _batch(lanes)
        weights, offsets = self.design.fold_in(thetas.reshape(-1, width))
        kept = np.empty((2, n_lanes, k, self.design.n_samples if self.fast else 0), np.float32)

        def work(x: F32, rows: slice) -> tuple[NDArray[Any], ...]:
            flat = weights @ x.T
            flat += offsets
            logits = flat.reshape(n_lanes, k, -1)
            if self.fast:
                kept[0, :, :, rows] = logits
            loss, residuals = self.loss.residuals(logits, batch, rows)
            if self.fast:
                kept[1, :, :, rows] = residuals
            flat = residuals.reshape(n_lanes * k, -1)
            return loss, flat @ x, flat.sum(axis=1, dtype=np.float64)

        loss, products, sums = self.design.sum_blocks(work)
        gradients = self.design.fold_out(products, sums).reshape(thetas.shape)
        if self.fast:
            for i, lane in enumerate(lanes):
                lane.anchor = Anchor(
                    lane.trial, kept[0, i], kept[1, i], float(loss[i]), gradients[i]
                )
        return loss, gradients

    def _change(self, lanes: Sequence[Lane], thetas: F64) -> tuple[F64, F64]:
        """Values and gradients from the anchors' and the change since, in bfloat16 products."""
        n_lanes, k, width = thetas.shape
        batch = _batch(lanes)
        anchors = [lane.anchor for lane in lanes if lane.anchor]
        moves = (thetas - [anchor.theta for anchor in anchors]).reshape(-1, width)
        weights, offsets = moves[:, :-1].astype(np.float32), moves[:, -1:].astype(np.float32)

        def work(block: FastBlock) -> tuple[F64, F64]:
            flat = block.logits(weights) + offsets
            logits = flat.reshape(n_lanes, k, -1)
            for own, anchor in zip(logits, anchors, strict=True):
                own += anchor.logits[:, block.rows]
            loss, residuals = self.loss.residuals(logits, batch, block.rows)
            for own, anchor in zip(residuals, anchors, strict=True):
                own -= anchor.residuals[:, block.rows]
            flat = residuals.reshape(n_lanes * k, -1)
            sums = flat.sum(axis=1, dtype=np.float64)[:, None]
            return loss, np.concatenate([block.gradient(flat), sums], axis=1)

        parts = self.design.workers.map(work, self.fast)
        loss = np.sum([part[0] for part in parts], axis=0)
        change: F64 = np.sum([part[1] for part in parts], axis=0, dtype=np.float64)
        gradients = np.stack([anchor.gradient for anchor in anchors])
        return loss, change.reshape(thetas.shape) + gradients

    def _logits(self, thetas: F64) -> F32:
        n_lanes, k, width = thetas.shape
        weights, offsets = self.design.fold_in(thetas.reshape(-1, width))
        logits = np.empty((n_lanes * k, self.design.n_samples), dtype=np.float32)

        def work(x: F32, rows: slice) -> None:
            logits[:, rows] = weights @ x.T + offsets

        self.design.for_blocks(work)
        return logits.reshape(n_lanes, k, -1)

    def _curvatures(self, lanes: Sequence[Lane], thetas: F64) -> list[Curvature]:
        design, options = self.design, self.options
        logits = self._logits(thetas)
        logits *= np.float32(self.loss.temper)
        seconds = [
            self.loss.curvature(logits[i : i + 1], _batch([lane])) for i, lane in enumerate(lanes)
        ]
        rank = min(options.hessian_rank or self.loss.hessian_rank, design.n_features)
        affordable = max(1, options.max_block_bytes // (4 * rank))
        most = options.hessian_rows or self.loss.hessian_rows
        sample = RowSample(min(most, affordable), rank, options.random_state)
        columns = [row for _, rows in seconds for row in rows]
        grams = sample.grams(design, self.spectrum, columns)
        k = self.loss.n_columns
        return [
            Curvature(lanes[i].fold, basis, tuple(grams[i * k : i * k + k]))
            for i, (basis, _) in enumerate(seconds)
        ]


def kin(weights: F32) -> Ints:
    """Return, for each row of weights, the first row that is much like it, perhaps itself."""
    norms = np.linalg.norm(weights, axis=1)
    cosines = (weights @ weights.T) / np.multiply.outer(norms, norms)
    found: Ints = np.arange(len(weights))
    for row in range(len(weights)):
        for earlier in np.unique(found[:row]):
            if cosines[row, earlier] >= KINSHIP:
                found[row] = earlier
                break
    return found


def _batch(lanes: Sequence[Lane]) -> Batch:
    folds = np.array([lane.fold for lane in lanes], dtype=np.intp)
    return Batch(folds, np.array([lane.positive for lane in lanes], dtype=np.int64))
