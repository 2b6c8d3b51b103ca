"""Reading and decoding ahead, in parallel and in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...images.geometry import Geometry
from ...sources import Source
from ..pending import PendingRows
from .fetch import Fetched, decode_raw, read_raw

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


class _Wanted(NamedTuple):
    """What is known of an image that was read: ``Item``'s fields, and the plans that need it."""

    rows: tuple[int, ...]
    is_new: bool
    reason: str
    plans: Sequence[int] = ()


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
        raw, fetched = read_raw(self.source, index)
        if raw is None:
            return self._unreadable(fetched)
        wanted = self._wanted(index, fetched.digest)
        if wanted.plans:
            geometries = dict.fromkeys(self.geometries[p] for p in wanted.plans)
            fetched = decode_raw(raw, list(geometries), fetched)
        return self._item(fetched, wanted)

    def take(self, fetched: Fetched) -> Item:
        """Return the item of an image that was fetched elsewhere, in ``distinct`` geometries."""
        if not fetched.digest:
            return self._unreadable(fetched)
        return self._item(fetched, self._wanted(fetched.index, fetched.digest))

    def _wanted(self, index: int, digest: bytes) -> _Wanted:
        rows, is_new = self.pending.look_up(index, digest)
        reason = self.pending.failed.get(digest, "")
        if reason or not (is_new or self.every_row):
            return _Wanted(rows, is_new, reason)
        plans = [p for p, sets in enumerate(self.sets_of) if min(rows[sets.start : sets.stop]) < 0]
        return _Wanted(rows, is_new, reason, plans)

    def _item(self, fetched: Fetched, wanted: _Wanted) -> Item:
        index, reason = fetched.index, wanted.reason
        pixels: dict[int, NDArray[np.uint8]] = {}
        if wanted.plans and fetched.reason:
            reason = self.pending.failed[fetched.digest] = fetched.reason
        elif wanted.plans:
            pixels = {p: fetched.images[self.geometries[p]] for p in wanted.plans}
            if fetched.remark:
                self.pending.remarks[index] = fetched.remark
        seconds = (fetched.read_seconds, fetched.decode_seconds)
        return Item(index, fetched.digest, pixels, wanted.rows, wanted.is_new, reason, *seconds)

    def _unreadable(self, fetched: Fetched) -> Item:
        self.pending.unreadable[fetched.index] = fetched.reason
        return Item(fetched.index, b"", reason=fetched.reason)


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
