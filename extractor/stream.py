"""Reading and decoding ahead, in parallel and in order."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from ..cache.errors import ImageError
from .decode import decode
from .geometry import Geometry
from .sources import Source, digest_of

MAX_GROUP = 4096


@dataclass(frozen=True, slots=True)
class Item:
    """One image on its way.

    Attributes
    ----------
    index : int
        Its place in the source.
    digest : bytes
        SHA-256 of its bytes; empty where they could not be read.
    pixels : ndarray of uint8 (height, width, 3), or None
        None where the image is not wanted or cannot be had.
    reason : str
        Why the image cannot be had; else empty.
    read_seconds, decode_seconds : float
    """

    index: int
    digest: bytes
    pixels: NDArray[np.uint8] | None
    reason: str = ""
    read_seconds: float = 0.0
    decode_seconds: float = 0.0


@dataclass(frozen=True)
class Reader:
    """Reads, hashes and decodes single images; safe in several threads.

    Attributes
    ----------
    source : Source
    geometry : Geometry
    wanted : callable
        Told the digest of an image, says whether its pixels are needed.
    """

    source: Source
    geometry: Geometry
    wanted: Callable[[bytes], bool]

    def __call__(self, index: int) -> Item:
        """Return the image at ``index``; a failure becomes the item's reason."""
        start = time.perf_counter()
        try:
            raw = self.source.read(index)
            digest = digest_of(raw)
        except OSError as error:
            return Item(index, b"", None, f"cannot read: {error.strerror or error}")
        read = time.perf_counter()
        if not self.wanted(digest):
            return Item(index, digest, None, "", read - start)
        try:
            (pixels,) = decode(raw, [self.geometry])
        except ImageError as error:
            return Item(index, digest, None, str(error), read - start)
        return Item(index, digest, pixels, "", read - start, time.perf_counter() - read)


def read_ahead(
    reader: Callable[[int], Item], indices: Iterable[int], workers: int, window: int
) -> Iterator[Item]:
    """Yield ``reader(index)`` for all ``indices`` in order, at most ``window`` ahead."""
    waiting: deque[Future[Item]] = deque()
    todo = iter(indices)
    executor = ThreadPoolExecutor(workers, thread_name_prefix="featx-decode")
    try:
        waiting.extend(executor.submit(reader, int(i)) for i in islice(todo, window))
        while waiting:
            item = waiting.popleft().result()
            waiting.extend(executor.submit(reader, int(i)) for i in islice(todo, 1))
            yield item
    finally:
        executor.shutdown(cancel_futures=True)


def group(items: Iterable[Item], batch_size: int) -> Iterator[list[Item]]:
    """Group ``items``, in order, so that each group holds at most ``batch_size`` with pixels."""
    held: list[Item] = []
    n_pixels = 0
    for item in items:
        held.append(item)
        n_pixels += item.pixels is not None
        if n_pixels == batch_size or len(held) == MAX_GROUP:
            yield held
            held, n_pixels = [], 0
    if held:
        yield held
