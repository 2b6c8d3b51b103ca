"""Where a source is and how it is read: enough to open it in another process."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ...cache import Listing
from ...cache.errors import ConfigError
from .open import open_source
from .source import Source
from .source_options import SourceOptions

STANDARD_INPUT = "-"


class SourceAddress:
    """What was typed for a source; it is opened once in each process that asks for it.

    Parameters
    ----------
    locations : sequence of path or URL
    options : SourceOptions, optional
        How tables are read.

    Raises
    ------
    ConfigError
        A location is standard input, which can be read only once.
    """

    def __init__(
        self, locations: Sequence[str | Path], options: SourceOptions | None = None
    ) -> None:
        if STANDARD_INPUT in map(str, locations):
            raise ConfigError(
                "paths on standard input can be read by one process only. Write them to a .txt "
                "file and name that, or leave --devices and --ray out"
            )
        self.locations = [str(location) for location in locations]
        self.options = options or SourceOptions()
        self._opened: Source | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        return SourceAddress, (self.locations, self.options)

    def open(self) -> Source:
        """Open the source; raises SourceError where there is none."""
        if self._opened is None:
            self._opened = open_source(self.locations, self.options)
        return self._opened


def address_of(source: str | Path | Source | SourceAddress) -> SourceAddress:
    """Return where a source is; raises ConfigError for one that only this process can read."""
    if isinstance(source, SourceAddress):
        return source
    if isinstance(source, str | Path):
        return SourceAddress([source])
    raise ConfigError(
        f"the workers open the source themselves: give its path, not an opened source "
        f"({source.location})"
    )


def listing_digest(listing: Listing) -> str:
    """Return a digest of the ids of a source's samples, in order."""
    ids = listing.sample_ids
    state = hashlib.sha256(np.ascontiguousarray(ids.offsets).tobytes())
    state.update(np.ascontiguousarray(ids.data).tobytes())
    return state.hexdigest()
