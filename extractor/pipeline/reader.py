"""Reading and decoding ahead, in parallel and in order."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from ...cache.errors import ImageError
from ..images.decode import decode_with_remark
from ..images.geometry import Geometry
from ..sources import Source, digest_of
from .fetch import Fetched, why_unreadable
from .pending import PendingRows

HANDFUL = 4
WINDOW = 192
"""Images that may be decoded ahead of the engine, where its batches are no larger than half."""


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
        By the number of the plan; empty where the image is not wanted or cannot be had.
    rows : tuple of int
        Its row in each set of the cache, -1 where there is none.
    is_new : bool
        Whether its rows are to be kept: of equal images the first one's are.
    reason : str
        Why the image cannot be had; else empty.
    read_seconds, decode_seconds : float
    """

    index: int
    digest: bytes
    pixels: dict[int, NDArray[np.uint8]] = field(default_factory=dict)
    rows: tuple[int, ...] = ()
    is_new: bool = False
    reason: str = ""
    read_seconds: float = 0.0
    decode_seconds: float = 0.0


@dataclass(frozen=True)
class Reader:
    """Reads, hashes, looks up and decodes single images; safe in several threads.

    Attributes
    ----------
    source : Source
    pending : PendingRows
    geometries : tuple of Geometry
        One for each plan.
    sets_of : tuple of range
        For each plan the numbers of its sets.
    every_row : bool
        Whether equal images are decoded each time, for a caller that wants every row.
    """

    source: Source
    pending: PendingRows
    geometries: tuple[Geometry, ...]
    sets_of: tuple[range, ...]
    every_row: bool = False

    @property
    def distinct(self) -> tuple[Geometry, ...]:
        """The geometries, each once: an image is drawn and resized once for each."""
        return tuple(dict.fromkeys(self.geometries))

    def __call__(self, index: int) -> Item:
        """Return the image at ``index``; a failure becomes the item's reason."""
        start = time.perf_counter()
        try:
            raw = self.source.read(index)
        except OSError as error:
            return self._unreadable(index, why_unreadable(error))
        digest = digest_of(raw)
        read = time.perf_counter()
        rows, is_new, reason, plans = self._wanted(index, digest)
        pixels: dict[int, NDArray[np.uint8]] = {}
        if plans:
            distinct = list(dict.fromkeys(self.geometries[p] for p in plans))
            try:
                decoded_images, remark = decode_with_remark(raw, distinct, digest)
                images = dict(zip(distinct, decoded_images, strict=True))
                pixels = {p: images[self.geometries[p]] for p in plans}
                self._note(index, remark)
            except ImageError as error:
                reason = self.pending.failed[digest] = str(error)
        decoded = time.perf_counter()
        return Item(index, digest, pixels, rows, is_new, reason, read - start, decoded - read)

    def take(self, fetched: Fetched) -> Item:
        """Return the item of an image that was fetched elsewhere, in ``distinct`` geometries."""
        index, digest = fetched.index, fetched.digest
        if not digest:
            return self._unreadable(index, fetched.reason)
        rows, is_new, reason, plans = self._wanted(index, digest)
        pixels: dict[int, NDArray[np.uint8]] = {}
        if plans and fetched.reason:
            reason = self.pending.failed[digest] = fetched.reason
        elif plans:
            images = dict(zip(self.distinct, fetched.images, strict=True))
            pixels = {p: images[self.geometries[p]] for p in plans}
            self._note(index, fetched.remark)
        seconds = (fetched.read_seconds, fetched.decode_seconds)
        return Item(index, digest, pixels, rows, is_new, reason, *seconds)

    def _wanted(self, index: int, digest: bytes) -> tuple[tuple[int, ...], bool, str, list[int]]:
        """Look an image up: its rows, whether they are new, why it fails, plans that need it."""
        rows, is_new = self.pending.look_up(index, digest)
        reason = self.pending.failed.get(digest, "")
        if reason or not (is_new or self.every_row):
            return rows, is_new, reason, []
        plans = [p for p, sets in enumerate(self.sets_of) if min(rows[sets.start : sets.stop]) < 0]
        return rows, is_new, reason, plans

    def _note(self, index: int, remark: str) -> None:
        if remark:
            self.pending.remarks[index] = remark

    def _unreadable(self, index: int, reason: str) -> Item:
        self.pending.unreadable[index] = reason
        return Item(index, b"", reason=reason)


def read_ahead(
    reader: Callable[[int], Item],
    indices: Iterable[int],
    workers: int,
    window: Callable[[], int] = lambda: WINDOW,
) -> Iterator[Item]:
    """Yield ``reader(index)`` for all ``indices`` in order, at most ``window()`` ahead.

    Indices travel in handfuls, so that fewer threads have to be woken. Close the iterator to end
    the threads.
    """
    waiting: deque[Future[list[Item]]] = deque()
    todo = iter(indices)
    handfuls = iter(lambda: [int(i) for i in islice(todo, HANDFUL)], [])
    executor = ThreadPoolExecutor(workers, thread_name_prefix="featx-decode")

    def read(handful: list[int]) -> list[Item]:
        return [reader(index) for index in handful]

    def read_on() -> None:
        n_missing = max(max(1, window() // HANDFUL) - len(waiting), 0)
        waiting.extend(executor.submit(read, handful) for handful in islice(handfuls, n_missing))

    try:
        read_on()
        while waiting:
            yield from waiting.popleft().result()
            read_on()
    finally:
        executor.shutdown(cancel_futures=True)
