"""Reading and decoding ahead, in parallel and in order."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from ...cache.errors import ImageError
from ..images.decode import decode
from ..images.geometry import Geometry
from ..sources import Raw, Source, digest_of

MAX_GROUP = 4096
HANDFUL = 4
WINDOW = 192
"""Images that may be decoded ahead of the engine."""


@dataclass(frozen=True, slots=True)
class Item:
    """One image on its way.

    Attributes
    ----------
    index : int
        Its place in the source.
    digest : bytes
        SHA-256 of its bytes; empty where they could not be read.
    pixels : dict of int to ndarray of uint8 (height, width, 3)
        By the number of the geometry; empty where the image is not wanted or cannot be had.
    reason : str
        Why the image cannot be had; else empty.
    read_seconds, decode_seconds : float
    """

    index: int
    digest: bytes
    pixels: dict[int, NDArray[np.uint8]]
    reason: str = ""
    read_seconds: float = 0.0
    decode_seconds: float = 0.0


@dataclass(frozen=True)
class Reader:
    """Reads, hashes and decodes single images; safe in several threads.

    Attributes
    ----------
    source : Source
    geometries : tuple of Geometry
    wanted : callable
        Told an image's index and digest, names the geometries, by number, that are needed.
    """

    source: Source
    geometries: tuple[Geometry, ...]
    wanted: Callable[[int, bytes], Sequence[int]]

    def __call__(self, index: int) -> Item:
        """Return the image at ``index``; a failure becomes the item's reason."""
        start = time.perf_counter()
        try:
            raw = self.source.read(index)
            digest = digest_of(raw)
        except OSError as error:
            return Item(index, b"", {}, f"cannot read: {error.strerror or error}")
        read = time.perf_counter()
        needed = self.wanted(index, digest)
        if not needed:
            return Item(index, digest, {}, "", read - start)
        try:
            pixels = self._decode(raw, needed)
        except ImageError as error:
            return Item(index, digest, {}, str(error), read - start)
        return Item(index, digest, pixels, "", read - start, time.perf_counter() - read)

    def _decode(self, raw: Raw, needed: Sequence[int]) -> dict[int, NDArray[np.uint8]]:
        """Decode once, and resize once for each geometry that differs."""
        distinct = list(dict.fromkeys(self.geometries[i] for i in needed))
        images = dict(zip(distinct, decode(raw, distinct), strict=True))
        return {i: images[self.geometries[i]] for i in needed}


def read_ahead(
    reader: Callable[[int], Item], indices: Iterable[int], workers: int, window: int
) -> Iterator[Item]:
    """Yield ``reader(index)`` for all ``indices`` in order, at most ``window`` ahead.

    Indices travel in handfuls, so that fewer threads have to be woken.
    """
    waiting: deque[Future[list[Item]]] = deque()
    todo = iter(indices)
    handfuls = iter(lambda: [int(i) for i in islice(todo, HANDFUL)], [])
    executor = ThreadPoolExecutor(workers, thread_name_prefix="featx-decode")

    def read(handful: list[int]) -> list[Item]:
        return [reader(index) for index in handful]

    try:
        n_ahead = max(1, window // HANDFUL)
        waiting.extend(executor.submit(read, handful) for handful in islice(handfuls, n_ahead))
        while waiting:
            yield from waiting.popleft().result()
            waiting.extend(executor.submit(read, handful) for handful in islice(handfuls, 1))
    finally:
        executor.shutdown(cancel_futures=True)


def group(items: Iterable[Item], batch_size: int) -> Iterator[list[Item]]:
    """Group ``items``, in order, so that each group holds at most ``batch_size`` with pixels."""
    held: list[Item] = []
    n_pixels = 0
    for item in items:
        held.append(item)
        n_pixels += bool(item.pixels)
        if n_pixels == batch_size or len(held) == MAX_GROUP:
            yield held
            held, n_pixels = [], 0
    if held:
        yield held
