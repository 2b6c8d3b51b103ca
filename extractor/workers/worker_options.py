"""Which workers share a run."""

from __future__ import annotations

from dataclasses import dataclass

from ...cache.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class WorkerOptions:
    """Which workers share a run: processes of this machine, or actors of Ray.

    Attributes
    ----------
    devices : str or None
        ``auto`` for all accelerators, their numbers with commas between, or ``cpu:N`` for N
        processes on the processor.
    ray : str or None
        ``local`` for a Ray of this machine, or the address of a cluster: ``auto`` or ``HOST:PORT``.
    actors : int
        Of Ray; 0 stands for one on each node, or one for each share of a GPU.
    gpus_per_actor : float or None
        None stands for 1 where the cluster has GPUs, else 0.

    Raises
    ------
    ConfigError
        Both kinds of workers are asked for, or none; or a number is out of its range.
    """

    devices: str | None = None
    ray: str | None = None
    actors: int = 0
    gpus_per_actor: float | None = None

    def __post_init__(self) -> None:
        if (self.devices is None) == (self.ray is None):
            raise ConfigError(
                "--devices starts processes on this machine, --ray actors of Ray: give one of them"
            )
        if self.ray is None and (self.actors or self.gpus_per_actor is not None):
            raise ConfigError("--actors and --gpus-per-actor are options of --ray")
        if self.actors < 0:
            raise ConfigError(f"--actors counts from 1, got {self.actors}")
        if self.gpus_per_actor is not None and self.gpus_per_actor < 0:
            raise ConfigError(f"--gpus-per-actor is 0 or more, got {self.gpus_per_actor}")
