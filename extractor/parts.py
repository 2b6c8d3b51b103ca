"""Parts of a source for job arrays: a fixed cut that stays where files are added at the end."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..cache.errors import ConfigError, IncompleteError
from .sources import Source
from .sources.subset import Subset

# So many neighbouring images are of one part: a tar is read in stretches, and parts are even.
BLOCK_IMAGES = 32
SHOWN = 5
NAME = re.compile(r"\.part-(\d+)-of-(\d+)$")


@dataclass(frozen=True, order=True)
class Part:
    """One of several parts of equal size.

    Attributes
    ----------
    number : int
        From 1 to ``count``.
    count : int

    Raises
    ------
    ConfigError
        The number is outside its range.
    """

    number: int
    count: int

    def __post_init__(self) -> None:
        if not 1 <= self.number <= self.count:
            raise ConfigError(
                f"--shard {self}: parts count from 1, so expected 1/{max(self.count, 1)} to "
                f"{max(self.count, 1)}/{max(self.count, 1)}. To an index from 0 add one: "
                "$((INDEX + 1))"
            )

    @classmethod
    def parse(cls, text: str) -> Part:
        """Read ``3/16``; raises ConfigError for anything else."""
        match = re.fullmatch(r"(\d+)/(\d+)", text.strip())
        if not match:
            raise ConfigError(f"--shard takes a part of all parts, such as 3/16, got {text!r}")
        return cls(int(match[1]), int(match[2]))

    @classmethod
    def of_name(cls, name: str) -> Part | None:
        """Return the part that the name of a snapshot ends in, or None."""
        match = NAME.search(name)
        return cls(int(match[1]), int(match[2])) if match else None

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"

    @property
    def blocks(self) -> slice:
        """Which blocks of neighbouring images are its own."""
        return slice(self.number - 1, None, self.count)

    def rows(self, n_samples: int) -> NDArray[np.int64]:
        """Return the indices of its images: every ``count``-th block of neighbouring images."""
        starts = np.arange(self.number - 1, -(-n_samples // BLOCK_IMAGES), self.count)
        rows = (starts[:, None] * BLOCK_IMAGES + np.arange(BLOCK_IMAGES)).ravel()
        return rows[rows < n_samples]

    def n_images(self, n_samples: int) -> int:
        """Return how many images it has."""
        n_whole, rest = divmod(n_samples, BLOCK_IMAGES)
        n_blocks = len(range(self.number - 1, n_whole, self.count))
        return n_blocks * BLOCK_IMAGES + rest * (n_whole % self.count == self.number - 1)

    def of(self, source: Source) -> Subset:
        """Return this part of a source."""
        name = f"{source.name}.part-{self.number}-of-{self.count}"
        location = f"{source.location} (part {self})"
        return Subset(source, self.rows(len(source.listing())), name, location)


def count_in_blocks(mask: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Return how many images of each block of neighbours a mask ``(n_samples,)`` holds."""
    starts = np.arange(0, len(mask), BLOCK_IMAGES)
    return np.add.reduceat(mask, starts, dtype=np.uint8)


@dataclass(frozen=True)
class Missing:
    """What keeps parts from making up a source.

    Attributes
    ----------
    n_samples : int
        Of the source.
    missing : tuple of str
        Ids of the images without features, in order.
    unfinished : tuple of str
        Parts that did not finish, as ``3/16``.
    finished : tuple of str
    """

    n_samples: int
    missing: tuple[str, ...]
    unfinished: tuple[str, ...]
    finished: tuple[str, ...]


def incomplete(
    lack: str,
    missing: Sequence[str],
    n_samples: int,
    finished: Iterable[Part],
    if_none: str = "",
) -> IncompleteError:
    """Return the error that names what keeps parts from being joined; its report is a ``Missing``.

    Parameters
    ----------
    lack : str
        What the images lack, as in "have no features yet".
    missing : sequence of str
        Ids of the images.
    n_samples : int
        Of the source.
    finished : iterable of Part
    if_none : str
        What to say where no part has finished.
    """
    done = set(finished)
    expected = {Part(n, part.count) for part in done for n in range(1, part.count + 1)}
    unfinished = tuple(map(str, sorted(expected - done)))
    parts = f"parts that did not finish: {', '.join(unfinished)}. " if unfinished else ""
    parts = parts if done else if_none
    others = f" and {len(missing) - SHOWN} more" if len(missing) > SHOWN else ""
    error = IncompleteError(
        f"{len(missing)} of {n_samples} images {lack}, so nothing was joined; {parts}Missing: "
        f"{', '.join(missing[:SHOWN])}{others}"
    )
    error.report = Missing(n_samples, tuple(missing), unfinished, tuple(map(str, sorted(done))))
    return error
