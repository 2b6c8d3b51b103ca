"""Converted networks on this machine that nobody has used for a while."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ....cache import FeatureSpec
from ....cache.errors import CacheWriteError
from ....cache.format.atomic import PARTIAL
from ....cache.maintenance.usage import bytes_below
from ....cache.places.home import featx_home
from ..model_folder import ModelFolder, readable_name, uses

SECONDS_A_DAY = 86_400
KEEP_DAYS = 30.0
PARTIAL_DAYS = 1 / 24


@dataclass(frozen=True)
class UnusedNetwork:
    """A converted network that can go: the next use converts it again, in some seconds.

    Attributes
    ----------
    path : str
        Its folder.
    n_bytes : int
        With its compiled networks and notes.
    days : float
        Since its last use.
    """

    path: str
    n_bytes: int
    days: float


def find_unused(
    specs: Iterable[FeatureSpec], keep_days: float = KEEP_DAYS, home: Path | None = None
) -> list[UnusedNetwork]:
    """Return the converted networks that no spec needs and nobody has used for some days.

    Parameters
    ----------
    specs : iterable of FeatureSpec
        Of the features whose networks stay.
    keep_days : float
    home : Path, optional
        By default the folder that ``FEATX_HOME`` names.
    """
    specs, now = list(specs), time.time()
    unused = []
    for path in sorted(((home or featx_home()) / "models").glob("*")):
        folder = ModelFolder(path)
        try:
            days = (now - folder.last_use()) / SECONDS_A_DAY
        except FileNotFoundError:
            continue  # another process has just finished with it
        is_partial = path.name.endswith(PARTIAL)
        if days >= (PARTIAL_DAYS if is_partial else keep_days) and (
            is_partial or not _is_needed(folder, specs)
        ):
            n_bytes = bytes_below(path) + bytes_below(folder.notes)
            unused.append(UnusedNetwork(str(path), n_bytes, days))
    return unused


def remove_unused(networks: Sequence[UnusedNetwork]) -> None:
    """Delete converted networks with their notes.

    Raises
    ------
    CacheWriteError
        The file system refused.
    """
    for network in networks:
        folder = ModelFolder(Path(network.path))
        try:
            shutil.rmtree(folder.path)
            shutil.rmtree(folder.notes, ignore_errors=True)
        except FileNotFoundError:
            continue
        except OSError as error:
            raise CacheWriteError(
                f"cannot delete {network.path}: {error.strerror or error}"
            ) from error


def _is_needed(folder: ModelFolder, specs: Sequence[FeatureSpec]) -> bool:
    facts = folder.facts()
    if facts is None:  # converted by an earlier featx, which did not note what it is of
        return any(folder.path.name.startswith(f"{readable_name(s.backbone)}-") for s in specs)
    return any(uses(spec, facts) for spec in specs)
