"""A process that reads and decodes images for another one, which finds their pixels in memory."""

from __future__ import annotations

import mmap
import os
import pickle
import signal
import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from ...images.decode import strict_images
from ...images.geometry import Geometry
from ...sources import Source
from .fetch import Fetched, fetch

NICENESS = 5
"""The process that feeds the engine goes before those that decode."""

WATCH_SECONDS = 1.0


@dataclass(frozen=True)
class DecodingWork:
    """What a decoding process works on.

    Attributes
    ----------
    source : bytes
        The source, pickled.
    geometries : tuple of Geometry
        Each once.
    memory : str
        The file of the memory that both processes map.
    max_pixels : int or None
        Pixels that one image may have.
    parent : int
        The process for which it works, and with which it ends.
    """

    source: bytes
    geometries: tuple[Geometry, ...]
    memory: str
    max_pixels: int | None
    parent: int


@dataclass(frozen=True)
class SlotMemory:
    """Memory that processes share: a slot holds one image in each geometry.

    Attributes
    ----------
    buffer : mmap
    geometries : tuple of Geometry
    """

    buffer: mmap.mmap
    geometries: tuple[Geometry, ...]

    @staticmethod
    def slot_bytes(geometries: Sequence[Geometry]) -> int:
        """Return the bytes of a slot."""
        return sum(3 * geometry.height * geometry.width for geometry in geometries)

    def images(self, slot: int) -> dict[Geometry, NDArray[np.uint8]]:
        """Return the images of a slot as uint8 ``(height, width, 3)``; they are no copies."""
        images = {}
        start = slot * self.slot_bytes(self.geometries)
        for geometry in self.geometries:
            shape = (geometry.height, geometry.width, 3)
            images[geometry] = np.ndarray(shape, np.uint8, self.buffer, start)
            start += images[geometry].nbytes
        return images


class Child:
    """The state of a decoding process."""

    source: ClassVar[Source]
    memory: ClassVar[SlotMemory]


def begin(work: DecodingWork) -> None:
    """Get ready to decode; the process ends with its parent, and leaves Ctrl-C to it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with, args=(work.parent,), daemon=True).start()
    os.nice(NICENESS)
    strict_images(work.max_pixels).__enter__()  # for as long as the process lives
    Child.source = pickle.loads(work.source)
    with Path(work.memory).open("r+b") as file:
        Child.memory = SlotMemory(mmap.mmap(file.fileno(), 0), work.geometries)


def fetch_into(indices: Sequence[int], first_slot: int) -> list[Fetched]:
    """Fetch images; their pixels go into the slots from ``first_slot`` on, not into the answer."""
    answers = []
    for slot, index in enumerate(indices, first_slot):
        fetched = fetch(Child.source, Child.memory.geometries, index)
        if fetched.images:
            for geometry, place in Child.memory.images(slot).items():
                place[:] = fetched.images[geometry]
        answers.append(replace(fetched, images={}))
    return answers


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        threading.Event().wait(WATCH_SECONDS)
    os._exit(1)
