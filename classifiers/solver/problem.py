"""The batch's arithmetic: evaluate all lanes in one pass, build their Hessian blocks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .design import Design
from .lane import Lane
from .losses import Batch, Loss
from .options import F32, F64, SolverOptions
from .precondition import (
    BlockPreconditioner,
    Curvature,
    GramPreconditioner,
    GramSpectrum,
    WeightedGram,
    make_block,
    thin,
)

LANES_AT_ONCE = 16


@dataclass(frozen=True)
class Problem:
    """One data set under one loss.

    Attributes
    ----------
    design : Design
    loss : Loss
    fold_totals : float64 (n_folds,)
        Sums of the sample weights.
    spectrum : GramSpectrum
    options : SolverOptions
    """

    design: Design
    loss: Loss
    fold_totals: F64
    spectrum: GramSpectrum
    options: SolverOptions

    def strength(self, C: float, fold: int) -> float:
        """Curvature of the data term along a direction of unit variance, at zero."""
        return C * float(self.fold_totals[fold]) * self.loss.curvature_at_zero

    def gram_preconditioner(self, C: float, fold: int) -> GramPreconditioner:
        """The shared Gram matrix at this C."""
        strength = self.strength(C, fold)
        return GramPreconditioner(self.spectrum, strength, self.options.fit_intercept)

    def evaluate(self, lanes: Sequence[Lane]) -> None:
        """Tell every lane its objective and gradient at its trial: one pass over X."""
        trials = np.stack([lane.trial for lane in lanes])
        values, gradients = self._data_term(trials, _batch(lanes))

        def tell(i: int) -> None:
            lane, trial = lanes[i], trials[i]
            gradient = lane.C * gradients[i]
            gradient[:, :-1] += trial[:, :-1]
            if not self.options.fit_intercept:
                gradient[:, -1] = 0
            penalty = 0.5 * float(np.vdot(trial[:, :-1], trial[:, :-1]))
            lane.receive(lane.C * float(values[i]) + penalty, gradient)

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
        """Turn each lane's curvature into a preconditioner at the lane's C."""
        tasks = [
            (lane.C, gram)
            for lane, curvature in zip(lanes, curvatures, strict=True)
            for gram in curvature.grams
        ]
        centred = self.options.fit_intercept
        blocks = self.design.workers.map(lambda task: make_block(*task, centred), tasks)
        k = self.loss.n_columns
        return [
            BlockPreconditioner(curvature.basis, tuple(blocks[i * k : i * k + k]), centred)
            for i, curvature in enumerate(curvatures)
        ]

    def _data_term(self, thetas: F64, batch: Batch) -> tuple[F64, F64]:
        n_lanes, k, width = thetas.shape
        weights, offsets = self.design.fold_in(thetas.reshape(-1, width))

        def work(x: F32, rows: slice) -> tuple[NDArray[Any], ...]:
            logits = weights @ x.T
            logits += offsets
            loss, residuals = self.loss.residuals(logits.reshape(n_lanes, k, -1), batch, rows)
            flat = residuals.reshape(n_lanes * k, -1)
            return loss, flat @ x, flat.sum(axis=1, dtype=np.float64)

        loss, products, sums = self.design.sum_blocks(work)
        return loss, self.design.fold_out(products, sums).reshape(thetas.shape)

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
        generator = np.random.default_rng(options.random_state)
        uniform = generator.random(design.n_samples, dtype=np.float32)
        columns = [row for _, rows in seconds for row in rows]
        grams = design.workers.map(
            lambda row: WeightedGram.of(design, *thin(row, options.hessian_rows, uniform)), columns
        )
        k = self.loss.n_columns
        return [
            Curvature(basis, tuple(grams[i * k : i * k + k]))
            for i, (basis, _) in enumerate(seconds)
        ]


def _batch(lanes: Sequence[Lane]) -> Batch:
    folds = np.array([lane.fold for lane in lanes], dtype=np.intp)
    return Batch(folds, np.array([lane.positive for lane in lanes], dtype=np.int64))
