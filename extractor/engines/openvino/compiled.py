"""Compiled networks on this machine: a later start reads one instead of compiling again.

OpenVINO has a cache of its own for this, but it does not notice damaged files, and a process that
is killed leaves half a file there.
"""

from __future__ import annotations

import hashlib
import json
import logging
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import xxhash
from numpy.typing import NDArray

from ....cache.errors import CacheWriteError
from ....cache.format.atomic import atomic_path
from ...machine.hardware import this_machine

COMPILED = "compiled"
SUM_BYTES = 16
"""A file ends with the XXH3-128 sum of all before."""

COMPILATION = 3
"""Counts up when the rewriting of networks changes, so that older files are not used."""

logger = logging.getLogger(__name__)


def compiled_path(folder: Path, precision: str, batch_size: int, n_exact: int = 0) -> Path:
    """Return where a network compiled by this OpenVINO for this processor lies, or would lie.

    ``n_exact`` of its convolutions stay in float32.
    """
    machine = this_machine()
    facts = [COMPILATION, version("openvino"), machine.cpu, sorted(machine.flags), machine.n_cores]
    key = hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:16]
    kind = f"{precision}-exact{n_exact}" if n_exact else precision
    return folder / COMPILED / f"{kind}-{batch_size}-{key}.blob"


def load_compiled(core: Any, path: Path, options: dict[str, str]) -> Any | None:
    """Return the compiled network in a file; None where there is none, or where it is damaged."""
    import openvino

    try:
        blob: NDArray[np.uint8] = np.memmap(path, np.uint8, "r")
    except (OSError, ValueError):  # ValueError: an empty file
        return None
    if len(blob) > SUM_BYTES and _sum(blob[:-SUM_BYTES]) == blob[-SUM_BYTES:].tobytes():
        try:
            return core.import_model(openvino.Tensor(blob[:-SUM_BYTES]), "CPU", options)
        except RuntimeError as error:
            reason = str(error).strip().split("\n")[-1]
    else:
        reason = "its checksum is wrong"
    logger.warning("the compiled network %s is damaged (%s): it is compiled again", path, reason)
    return None


def save_compiled(compiled: Any, path: Path) -> None:
    """Keep a compiled network; a folder that cannot be written only costs time later."""
    blob = compiled.export_model().getbuffer()
    try:
        with atomic_path(path) as partial, partial.open("wb") as file:
            file.write(blob)
            file.write(_sum(blob))
    except CacheWriteError as error:
        logger.debug("the compiled network is not kept: %s", error)


def _sum(data: Any) -> bytes:
    return xxhash.xxh3_128_digest(data)
