"""Stage: a plan at work. Several batches are in its engine at a time, smaller ones if need be."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..engines import Engine, is_out_of_memory, run_rows
from ..engines.batch_size import DEFAULT_ON_CPU, choose_batch_size
from ..engines.fallback import slow_fallback
from ..plan import Plan
from ..precision.drift import Drift
from ..precision.run_drift import drift_warning, measure_run_drift
from ..run_options import RunOptions

Outputs = tuple[NDArray[Any], ...]
LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True)
class Job:
    """A batch that an engine is at.

    Attributes
    ----------
    engine : Engine
    images : sequence of ndarray of uint8, each (height, width, 3)
    outputs : Future
        One array ``(n, d)`` for each spec of the plan.
    """

    engine: Engine
    images: Sequence[NDArray[np.uint8]]
    outputs: Future[Outputs]


class Stage:
    """Runs the batches of one plan; the engine is built when the first one comes.

    Parameters
    ----------
    plan : Plan
    options : RunOptions
    n_samples : int
        In the source: small ones are not worth measuring batch sizes for.
    say : callable
        Told before the first batch what makes the run slower than it need be.

    Attributes
    ----------
    engine : Engine or None
    busy_seconds : float
        Seconds spent inside the engine, summed over parallel calls.
    slow_fallback : str
        What makes the run slower than it need be, once the engine is built.
    drift : Drift or None
        Of the first batch, where the plan computes in a fast precision.
    drift_warning : str
        What a person must hear of it; empty where it is small enough.
    n_halved : int
        How often the batch size was halved because memory did not suffice.
    """

    def __init__(
        self, plan: Plan, options: RunOptions, n_samples: int, say: Callable[[str], object] = str
    ) -> None:
        self.plan, self._options, self._n_samples, self._say = plan, options, n_samples, say
        self.slow_fallback = self.drift_warning = ""
        self.drift: Drift | None = None
        self._is_checked = False
        self.engine: Engine | None = None
        self.busy_seconds = 0.0
        self.n_halved = 0
        self._batch_size = 0
        self._executor: ThreadPoolExecutor | None = None

    def begin(self, say: Callable[[str], object]) -> None:
        """Begin another run with the same engine."""
        self._say, self.busy_seconds, self.n_halved = say, 0.0, 0

    @property
    def batch_size(self) -> int:
        """Images that the engine takes at once; measured when first asked for.

        It does not depend on how many images are left to do or on who asks: a backbone may round
        differently in batches of another size.
        """
        if not self._batch_size:
            options = self._options
            self._batch_size = (
                min(options.batch_size, _least_power(max(self._n_samples, DEFAULT_ON_CPU)))
                if options.batch_size
                else choose_batch_size(self.plan, options.engine, self._n_samples)
            )
        return self._batch_size

    @property
    def known_batch_size(self) -> int:
        """Its batch size as far as it is known; 0 before it was asked for."""
        return self._batch_size

    @property
    def engine_name(self) -> str:
        """Name of the engine; empty where no batch came."""
        return self.engine.name if self.engine else ""

    def start(self) -> Engine:
        """Return the engine; build it where that has not happened."""
        while self.engine is None:
            try:
                self.engine = self.plan.build_engine(self.batch_size, self._options.engine)
            except Exception as error:  # noqa: BLE001 (raised again unless memory is short)
                self._halve(error)
                continue
            self._announce(self.engine)
        return self.engine

    def submit(self, images: Sequence[NDArray[np.uint8]]) -> Job:
        """Hand over images, each ``(height, width, 3)``, to be run beside others."""
        engine = self.engine or self.start()
        if self._executor is None:
            self._executor = ThreadPoolExecutor(engine.n_parallel, thread_name_prefix="featx-infer")
        return Job(engine, images, self._executor.submit(self._run, engine, images))

    def run_again(self, job: Job, error: Exception) -> Outputs:
        """Run a batch that did not fit into memory in smaller ones; raise any other error."""
        failed = job.engine
        while True:
            if failed.batch_size <= self.batch_size:
                self._halve(error)
                self.engine = None
            elif not is_out_of_memory(error):
                raise error
            failed = self.start()
            try:
                return self._run(failed, job.images)
            except Exception as again:  # noqa: BLE001 (raised again unless memory is short)
                error = again

    def check_drift(self, images: Sequence[NDArray[np.uint8]], outputs: Outputs) -> None:
        """Measure the drift of the run's first batch; of later ones nothing."""
        if self._is_checked:
            return
        self._is_checked = True
        self.drift = measure_run_drift(self.plan, self._options.engine, np.stack(images), outputs)
        if self.drift:
            name, limit = self.plan.record.name, self._options.max_drift
            self.drift_warning = drift_warning(name, self.drift, limit)
        if self.drift_warning:
            self._say(self.drift_warning)

    def close(self) -> None:
        """Wait for what is in the engine and end the threads."""
        if self._executor is not None:
            self._executor.shutdown(cancel_futures=True)
            self._executor = None

    def _announce(self, engine: Engine) -> None:
        LOGGER.debug("engine %s, batches of %d", engine.name, engine.batch_size)
        reason = slow_fallback(self.plan.network, engine, self._options.engine)
        if reason and reason != self.slow_fallback:
            self.slow_fallback = reason
            self._say(reason)

    def _halve(self, error: Exception) -> None:
        if not is_out_of_memory(error) or self.batch_size == 1:
            raise error
        self._batch_size //= 2
        self.n_halved += 1

    def _run(self, engine: Engine, images: Sequence[NDArray[np.uint8]]) -> Outputs:
        batch = np.stack(images)  # here, as the thread that collects the images has no time for it
        start = time.perf_counter()
        outputs = run_rows(engine, batch)
        self.busy_seconds += time.perf_counter() - start
        return outputs


def _least_power(n: int) -> int:
    """Return the least power of two that is not below ``n``."""
    return 1 << (n - 1).bit_length()
