"""The work of a run, shared among the workers that its options name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..run_options import Observer
from .devices import choose_devices
from .driver import Driver, SaysOnce, cut
from .pool import Pool
from .processes import ProcessPool
from .work import Work
from .worker_options import WorkerOptions


@dataclass(frozen=True)
class Shared:
    """What workers have done.

    Attributes
    ----------
    settled : Any
        What they agreed on.
    results : list
        One for each part, in order.
    n_workers : int
    """

    settled: Any
    results: list[Any]
    n_workers: int


def is_shared(options: WorkerOptions | None, observer: Observer) -> bool:
    """Tell whether a run has workers; says so where there is no accelerator to share it among."""
    if options is None:
        return False
    if options.devices is None or choose_devices(options.devices):
        return True
    observer.say(
        f"--devices {options.devices}: no accelerator is here, so one process computes on the "
        "processor; cpu:2 starts two"
    )
    return False


def share(
    work: Work, options: WorkerOptions, n_samples: int, task: str, observer: Observer
) -> Shared:
    """Let workers do ``work`` on all parts of a source.

    Parameters
    ----------
    work : Work
    options : WorkerOptions
    n_samples : int
        In the source.
    task : str
        For the progress.
    observer : Observer

    Raises
    ------
    IncompleteError
        Parts did not finish; they are named, and everything else is saved.
    MissingLibraryError, ConfigError
        There are no such workers.
    """
    pool = _pool(work, options)
    title = f"{task}, {pool.n_seats} worker{'' if pool.n_seats == 1 else 's'}"
    parts = cut(n_samples, pool.n_seats)
    driver = Driver(pool, parts, work.n_left, title, SaysOnce(observer))
    results = driver.run()
    return Shared(driver.settled, results, pool.n_seats)


def _pool(work: Work, options: WorkerOptions) -> Pool:
    if options.devices is not None:
        return ProcessPool(work, choose_devices(options.devices))
    from .ray_pool import RayPool

    return RayPool(work, options)
