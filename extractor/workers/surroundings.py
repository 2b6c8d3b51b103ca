"""What a worker on another machine takes over from the process that drives it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

PASSED_ON = ("FEATX_HOME", "KERAS_BACKEND", "XLA_FLAGS", "TF_CPP_MIN_LOG_LEVEL")


@dataclass(frozen=True)
class Surroundings:
    """A folder, a version and variables.

    Attributes
    ----------
    folder : str
        Relative paths begin here.
    version : str
        Of featx.
    environment : dict of str to str
    """

    folder: str
    version: str
    environment: dict[str, str]

    @classmethod
    def here(cls) -> Surroundings:
        """Return those of this process."""
        environment = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        return cls(str(Path.cwd()), version("featx"), environment)
