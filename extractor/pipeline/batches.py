"""Batches of pixels, assembled in memory that is used again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray


@dataclass
class Batch:
    """Images on their way through an engine.

    Attributes
    ----------
    memory : ndarray of uint8, shape (batch_size, height, width, 3)
    digests : list of bytes
        One for each image that is in it.
    """

    memory: NDArray[np.uint8]
    digests: list[bytes] = field(default_factory=list)

    @property
    def images(self) -> NDArray[np.uint8]:
        """The images that are in it, ``(n, height, width, 3)``."""
        return self.memory[: len(self.digests)]


class Assembler:
    """Fills batches, and takes their memory back when they are done.

    Parameters
    ----------
    image_size : (height, width)
    batch_size : int
    """

    def __init__(self, image_size: tuple[int, int], batch_size: int) -> None:
        self._shape = (batch_size, *image_size, 3)
        self._free: list[NDArray[np.uint8]] = []
        self._filling: Batch | None = None

    def add(self, digest: bytes, pixels: NDArray[np.uint8]) -> Iterator[Batch]:
        """Add one image; yield the batch if that fills it."""
        if self._filling is None:
            memory = self._free.pop() if self._free else np.empty(self._shape, np.uint8)
            self._filling = Batch(memory)
        batch = self._filling
        batch.memory[len(batch.digests)] = pixels
        batch.digests.append(digest)
        if len(batch.digests) == self._shape[0]:
            yield from self.rest()

    def rest(self) -> Iterator[Batch]:
        """Yield the batch that is not full yet, if there is one."""
        batch, self._filling = self._filling, None
        if batch is not None:
            yield batch

    def take_back(self, batch: Batch) -> None:
        """Use the memory of a batch again."""
        self._free.append(batch.memory)
