"""Stages that outlive a run: a worker's, whose compiled networks serve every part it works on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from ..plan import Plan
from .stage import Stage

if TYPE_CHECKING:
    from ..run_options import RunOptions


class StagePool:
    """The stages of one process, kept from one run to the next.

    Batch sizes are those of the whole source, however small the part at hand is: a backbone may
    round differently in batches of another size.

    Parameters
    ----------
    n_samples : int
        In the whole source.
    batch_sizes : mapping of Plan to int, optional
        What another process has measured.
    """

    def __init__(self, n_samples: int, batch_sizes: Mapping[str, int] | None = None) -> None:
        self._n_samples, self._given = n_samples, dict(batch_sizes or {})
        self._stages: dict[str, Stage] = {}

    def stage(self, plan: Plan, options: RunOptions, say: Callable[[str], object]) -> Stage:
        """Return the stage of a plan, with its seconds counted anew; views of images share it."""
        plan = plan.original
        key = _key(plan)
        if key not in self._stages:
            given = self._given.get(key, options.batch_size)
            options = replace(options, batch_size=given)
            self._stages[key] = Stage(plan, options, self._n_samples, say)
        stage = self._stages[key]
        stage.begin(say)
        return stage

    def measure(self, plan: Plan, options: RunOptions) -> None:
        """Find the batch size of a plan."""
        self._given[_key(plan)] = self.stage(plan, options, str).batch_size

    @property
    def batch_sizes(self) -> dict[str, int]:
        """The batch sizes that are known, for a pool of another process."""
        return dict(self._given)

    @property
    def n_parallel(self) -> int:
        """Most batches that an engine of this process takes at a time; 0 where none was built."""
        engines = [stage.engine for stage in self._stages.values() if stage.engine]
        return max((engine.n_parallel for engine in engines), default=0)


def _key(plan: Plan) -> str:
    return " ".join(spec.fingerprint for spec in plan.original.specs)
