"""Networks of any depth, trained together by one Keras program, on whichever backend Keras runs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ....extractor.engines.keras_import import import_keras
from .dense_batches import Batches
from .dense_plan import Layers, Plan

# Models that have stopped cost as much as others; a smaller program is built in half a second.
WORTH_LEAVING = 0.8


class KerasNetworks:
    """Networks that learn from the same batches, each as if alone but for rounding.

    Parameters
    ----------
    plans : sequence of Plan
    n_features, n_classes, batch_size : int
    """

    def __init__(
        self, plans: Sequence[Plan], n_features: int, n_classes: int, batch_size: int
    ) -> None:
        import_keras()
        from .dense_stack import Program

        self._program = Program(plans, n_features, n_classes, batch_size)
        self._learning = list(range(len(plans)))
        self._n_networks = len(plans)

    def epoch(self, batches: Batches, generator: np.random.Generator) -> list[float]:
        """Let the running networks learn from every batch once.

        Returns
        -------
        list of float
            Each network's mean training loss; NaN for those that have left.
        """
        for batch in batches.epoch(generator):
            self._program.step(*batch)
        losses = np.full(self._n_networks, np.nan)
        losses[self._learning] = self._program.take_losses()
        self._layers = dict(zip(self._learning, self._program.layers(), strict=True))
        return [float(loss) for loss in losses]

    def layers(self, network: int) -> Layers:
        """Return a network's kernels and biases after the last epoch."""
        return self._layers[network]

    def keep_running(self, running: Sequence[int]) -> None:
        """Let only some of the networks go on learning."""
        places = [self._learning.index(i) for i in running]
        if places and self._program.share(places) <= WORTH_LEAVING:
            self._program, self._learning = self._program.only(places), list(running)
        self._program.keep_running([i in running for i in self._learning])
