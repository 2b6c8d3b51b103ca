"""From decoded images to rows on disk: batches, engines and the writer, all at once."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...cache import FeatureBatch
from ...cache.batch import to_storage
from ...cache.errors import BackboneError
from ..engines import EnginePool
from ..engines.batch_size import choose_batch_size
from ..run_options import RunOptions
from .batches import Assembler, Batch
from .groups import Group
from .pending import Coverage
from .writer import ShardWriter


class Lane:
    """What one group of plans does with an image: batch, engine, rows.

    Parameters
    ----------
    group : Group
    options : RunOptions
    n_images : int
        In the source; no batch is larger.
    """

    def __init__(self, group: Group, options: RunOptions, n_images: int) -> None:
        self.group = group
        wanted = options.batch_size or choose_batch_size(group, options.engine, n_images)
        size = min(wanted, _power_of_two(n_images))
        self.assembler = Assembler(group.network.image_size, size)
        self.pool: EnginePool[Batch] = EnginePool(
            lambda batch_size: group.build_engine(options.engine, batch_size), size
        )

    @property
    def engine_name(self) -> str:
        """Name of the engine; empty where no image came."""
        return self.pool.engine.name if self.pool.engine else ""


class Pipeline:
    """Brings decoded images through all lanes into the writer.

    Parameters
    ----------
    lanes : list of Lane
    coverage : Coverage
    writer : ShardWriter
    """

    def __init__(self, lanes: list[Lane], coverage: Coverage, writer: ShardWriter) -> None:
        self._lanes, self._coverage, self._writer = lanes, coverage, writer

    def add(self, digest: bytes, pixels: dict[int, NDArray[np.uint8]]) -> None:
        """Take one image; ``pixels`` has one array for each lane, by number, that wants it."""
        for number, image in pixels.items():
            lane = self._lanes[number]
            for batch in lane.assembler.add(digest, image):
                self._run(lane, batch)

    def finish(self) -> None:
        """Run the batches that are not full, and wait for all that is in flight."""
        for lane in self._lanes:
            for batch in lane.assembler.rest():
                self._run(lane, batch)
        self.save()

    def save(self) -> None:
        """Wait for all that is in flight, and hand its rows to the writer."""
        for lane in self._lanes:
            self._store(lane, lane.pool.drain())

    def close(self) -> None:
        """End all threads."""
        for lane in self._lanes:
            lane.pool.close()

    def _run(self, lane: Lane, batch: Batch) -> None:
        self._store(lane, lane.pool.put(batch, batch.images))

    def _store(self, lane: Lane, results: Iterable[tuple[Batch, tuple[NDArray[Any], ...]]]) -> None:
        for batch, outputs in results:
            digests = np.frombuffer(b"".join(batch.digests), np.uint8).reshape(-1, 32)
            lane.assembler.take_back(batch)
            members = zip(lane.group.members, lane.group.plans, outputs, strict=True)
            for member, plan, X in members:
                rows = self._coverage.lacking_rows(member, digests)
                stored = to_storage(X[rows], plan.spec.storage)
                self._writer.put(member, _checked(plan.record.name, digests[rows], stored))


def _checked(backbone: str, digests: NDArray[np.uint8], X: NDArray[Any]) -> FeatureBatch:
    try:
        return FeatureBatch(digests, X)
    except ValueError as error:
        raise BackboneError(
            f"{backbone} gave numbers that cannot be stored as {X.dtype}: {error}. Check the "
            "weights, or use --storage float32 and --precision float32"
        ) from error


def _power_of_two(n: int) -> int:
    return 1 << max(0, n - 1).bit_length()
