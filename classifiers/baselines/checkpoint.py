"""What a training run that is killed leaves for the next one: the state after its last epoch."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...cache.errors import NewerFormatError
from ...cache.format.atomic import atomic_path
from ...cache.format.version import FORMAT_VERSION, check_version, stamped

SIGNATURE = "featx-training"


@dataclass(frozen=True)
class Checkpoint:
    """The state of training after an epoch.

    Attributes
    ----------
    n_plain, n_augmented : int
        Epochs that are finished, by phase.
    seconds : float
        That they took, over all processes that trained.
    history : dict of str to list of float
        One value an epoch.
    arrays : dict of str to ndarray
        Weights of the network, and variables of the optimiser.
    """

    n_plain: int
    n_augmented: int
    seconds: float
    history: dict[str, list[float]]
    arrays: dict[str, NDArray[Any]]

    @property
    def n_epochs(self) -> int:
        """Finished epochs of both phases."""
        return self.n_plain + self.n_augmented

    def leads_to(self, n_plain: int, n_augmented: int) -> bool:
        """Tell whether training to so many epochs of each phase passes through this state."""
        if self.n_augmented:
            return self.n_plain == n_plain and self.n_augmented <= n_augmented
        return self.n_plain <= n_plain


def write_checkpoint(path: Path, job: Mapping[str, Any], state: Checkpoint) -> None:
    """Replace the checkpoint at ``path``, whole or not at all.

    Parameters
    ----------
    path : Path
    job : mapping
        JSON types: all that decides the training but the number of epochs; a run with another job
        starts anew.
    state : Checkpoint

    Raises
    ------
    CacheWriteError
        The file system refused; the earlier checkpoint is still there.
    """
    about = stamped(
        {
            "epochs": [state.n_plain, state.n_augmented],
            "seconds": state.seconds,
            "history": state.history,
            "job": dict(job),
        }
    )
    with atomic_path(path) as partial, partial.open("wb") as file:
        stored = {SIGNATURE: np.array(json.dumps(about, sort_keys=True)), **state.arrays}
        np.savez(file, allow_pickle=False, **stored)


def read_checkpoint(path: Path, job: Mapping[str, Any]) -> Checkpoint | None:
    """Read the checkpoint of the same job; None where there is none, or it is damaged.

    Raises
    ------
    NewerFormatError
        A newer featx wrote it.
    """
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            about = json.loads(str(stored[SIGNATURE]))
            check_version(path, int(about.get("format_version", FORMAT_VERSION)))
            arrays = {name: stored[name] for name in stored.files if name != SIGNATURE}
        same = json.dumps(about["job"], sort_keys=True) == json.dumps(dict(job), sort_keys=True)
        n_plain, n_augmented = about["epochs"]
        state = Checkpoint(n_plain, n_augmented, about["seconds"], about["history"], arrays)
        return state if same else None
    except NewerFormatError:
        raise
    except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile):
        return None
