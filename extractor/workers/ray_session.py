"""A connection to Ray: a cluster that is there, or a small Ray of this machine."""

from __future__ import annotations

import logging
import os
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from ...cache.errors import ConfigError, MissingLibraryError
from ..machine.hardware import n_usable_cores
from .worker_options import WorkerOptions

LOCAL = "local"
VARIABLE = "RAY_ADDRESS"
CONNECT_SECONDS = 10.0
OBJECT_STORE_BYTES = 128 << 20
"""Numbers only go through it, never images or features."""

SETTINGS = {
    "RAY_USAGE_STATS_ENABLED": "0",
    # Ray writes news of workers to standard output, which belongs to answers.
    "RAY_DEDUP_LOGS_SKIP_REGEX": ".",
    # Workers without a GPU are told so in their own way.
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}


@dataclass(frozen=True)
class ActorLayout:
    """How actors lie on a cluster.

    Attributes
    ----------
    n_actors : int
    n_cpus, n_gpus : float
        For each.
    """

    n_actors: int
    n_cpus: float
    n_gpus: float


class RaySession:
    """Ray while it is used; a Ray that this process started ends with it.

    Parameters
    ----------
    address : str
        ``local``, where ``RAY_ADDRESS`` names no other; ``auto`` or ``HOST:PORT``.

    Attributes
    ----------
    ray : module

    Raises
    ------
    MissingLibraryError
        Ray is not installed.
    ConfigError
        There is no Ray at that address, or one that does not fit this process.
    """

    def __init__(self, address: str) -> None:
        for name, value in SETTINGS.items():
            os.environ.setdefault(name, value)
        try:
            import ray
        except ImportError as error:
            raise MissingLibraryError(
                "--ray needs Ray, which is not installed: pip install 'featx[ray]'"
            ) from error
        self.ray: Any = ray
        self._is_ours = not ray.is_initialized()
        if self._is_ours:
            self._connect(address)

    def _connect(self, address: str) -> None:
        if address == LOCAL:
            address = os.environ.get(VARIABLE) or LOCAL
        options: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
        if address == LOCAL:
            options |= {
                "num_cpus": n_usable_cores(),
                "include_dashboard": False,
                "object_store_memory": OBJECT_STORE_BYTES,
            }
        try:
            _check_reachable(address)
            self.ray.init(address=address, **options)
        except Exception as error:
            reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
            raise ConfigError(
                f"--ray {address}: {reason.rstrip('.')}. Expected auto or the HOST:PORT of a Ray "
                "with the same versions of Python and Ray (`ray status` shows it); --ray without "
                "an address starts one here"
            ) from error

    def layout(self, options: WorkerOptions) -> ActorLayout:
        """Return how many actors to start, and what to ask for each."""
        nodes = [node["Resources"] for node in self.ray.nodes() if node["Alive"]]
        n_gpus = sum(node.get("GPU", 0.0) for node in nodes)
        each = options.gpus_per_actor
        each = float(n_gpus > 0) if each is None else each
        hosts = [node for node in nodes if node.get("GPU" if each else "CPU", 0.0)] or nodes
        n_actors = options.actors or (max(1, int(n_gpus // each)) if each else len(hosts))
        n_on_host = -(-n_actors // max(1, len(hosts)))
        share = min((node.get("CPU", 1.0) for node in hosts), default=1.0) / n_on_host
        return ActorLayout(n_actors, int(share) if share >= 1 else round(share, 2), each)

    def close(self) -> None:
        """Let go of Ray."""
        if self._is_ours:
            self.ray.shutdown()


def _check_reachable(address: str) -> None:
    """Raise OSError where nothing answers at HOST:PORT; Ray would wait for minutes."""
    match = re.fullmatch(r"(?:ray://)?(.+):(\d+)", address)
    if match:
        host, port = match[1].strip("[]"), int(match[2])
        with socket.create_connection((host, port), CONNECT_SECONDS):
            pass


@contextmanager
def joblib_on_ray(options: WorkerOptions | None) -> Iterator[None]:
    """Let joblib hand its tasks to a Ray; None leaves it as it is.

    Raises
    ------
    MissingLibraryError, ConfigError
        There is no Ray.
    """
    if options is None:
        yield
        return
    session = RaySession(options.ray or LOCAL)
    from joblib import parallel_config
    from ray.util.joblib import register_ray

    register_ray()
    try:
        with parallel_config(backend="ray", n_jobs=options.actors or -1):
            yield
    finally:
        session.close()
