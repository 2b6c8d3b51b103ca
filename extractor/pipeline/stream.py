"""The one stream of features, which all that needs features draws on."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, chain, pairwise
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ...cache import FeatureBatch, FeatureSpec, FeatureStore
from ...cache.batch import to_storage
from ...cache.errors import BackboneError
from ...cache.manifest import DIGEST_BYTES
from ..images.decode import strict_images
from ..plan import Plan
from ..run_options import RunOptions
from .pending import PendingRows
from .rates import StageSeconds
from .reading.read_items import read_items
from .reading.reader import WINDOW, Item, Reader
from .scan import Scan
from .stage import Job, Outputs
from .stage_pool import StagePool

MAX_BLOCK = 4096
"""Samples of a block, where few of them must be computed."""

LEAST_WINDOW = 32
"""Images that may be decoded ahead where each has many views."""

NO_DIGEST = bytes(DIGEST_BYTES)


@dataclass(frozen=True)
class FeatureBlock:
    """Samples in the order of the source, with the features that were computed of them.

    Attributes
    ----------
    indices : ndarray of int64, shape (n,)
        Places of the samples in the source.
    digests : ndarray of uint8, shape (n, 32)
        Of the images' bytes; zeros where they could not be read.
    reasons : tuple of str, length n
        Why a sample has no features; empty where it has.
    new : tuple of (int, FeatureBatch)
        The number of a set and the rows that it lacked, each of equal images once.
    X : ndarray of float, shape (n_ok, d), or None
        Where every row was asked for: the features of all samples without a reason, in order.
    n_cached : int
        How many rows of ``X`` came from the cache.
    """

    indices: NDArray[np.int64]
    digests: NDArray[np.uint8]
    reasons: tuple[str, ...]
    new: tuple[tuple[int, FeatureBatch], ...]
    X: NDArray[Any] | None = None
    n_cached: int = 0

    @property
    def ok(self) -> NDArray[np.bool_]:
        """Which samples have features, bool ``(n,)``."""
        return np.array([not reason for reason in self.reasons], np.bool_)

    def piece(self, start: int, stop: int) -> FeatureBlock:
        """Return the samples from ``start`` to ``stop`` of a block with every row."""
        if self.X is None or (start, stop) == (0, len(self.indices)):
            return self
        n_before = int(self.ok[:start].sum())
        part = slice(start, stop)
        X = self.X[n_before : n_before + int(self.ok[part].sum())]
        return FeatureBlock(self.indices[part], self.digests[part], self.reasons[part], (), X)


class FeatureStream:
    """Features of a source under several plans, computed where the cache lacks them.

    Use it as a context manager: when it ends, whatever ended it, no thread is left and the filters
    of warnings are as they were. Keras is loaded when the first image must be computed.

    Parameters
    ----------
    scan : Scan
        The source; its digests are filled in as images are read.
    plans : sequence of Plan
        See ``merge_plans``. The sets of the run are their specs, in order.
    store : FeatureStore or None
        Rows that it holds are not computed; None holds none.
    options : RunOptions
    failed : dict of bytes to str, optional
        Digests of images that are known not to decode, with the reason.
    say : callable, optional
        Told before anything is computed what makes the run slower than it need be.

    Attributes
    ----------
    pending : PendingRows
    plans : sequence of Plan
    stages : list of Stage
        One for each plan; plans that differ only in the view of an image share one.
    seconds : StageSeconds
        Spent reading and decoding so far.
    """

    def __init__(
        self,
        scan: Scan,
        plans: Sequence[Plan],
        store: FeatureStore | None,
        options: RunOptions,
        failed: dict[bytes, str] | None = None,
        say: Callable[[str], object] = str,
    ) -> None:
        self.scan, self.options, self.plans, self._say = scan, options, plans, say
        specs = [spec for plan in plans for spec in plan.specs]
        sets = [store.open_set(spec) if store else None for spec in specs]
        self.specs = specs
        for shards in sets:
            if shards is not None and shards.damaged:
                say(f"Warning: rows that cannot be read are computed again: {shards.damaged[0]}")
        self.pending = PendingRows(sets, scan.digests, {} if failed is None else failed)
        pool = options.stages or StagePool(scan.n_in_source)
        self.stages = [pool.stage(plan, options, say) for plan in plans]
        self.seconds = StageSeconds()
        edges = accumulate((len(plan.specs) for plan in plans), initial=0)
        self._sets_of = tuple(range(first, end) for first, end in pairwise(edges))
        self._wanted = [0]
        self._begun: deque[tuple[list[Item], list[Job | None]]] = deque()
        self._n_parallel = 0
        self._exits = ExitStack()

    def __enter__(self) -> Self:
        self._exits.enter_context(strict_images(self.options.max_pixels))
        for stage in self.stages:
            self._exits.callback(stage.close)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._exits.close()

    def new_rows(self) -> Iterator[FeatureBlock]:
        """Yield the samples that must be read, with the rows that the cache lacks, in order."""
        return self._blocks(self.read(np.flatnonzero(self.pending.must_read)), every_row=False)

    def every_row(
        self, ranges: Sequence[range], specs: Sequence[FeatureSpec] = ()
    ) -> Iterator[FeatureBlock]:
        """Yield all samples of ``ranges``, ascending, with their features.

        The features are those of the sets ``specs`` side by side, by default of the first set.
        Samples whose digest is known and whose row is cached are not read. Images that are equal
        are computed each time, but are new only once.
        """
        self._wanted = [self.specs.index(spec) for spec in specs] or [0]
        return self._blocks(self._all_items(ranges), every_row=True)

    def read(self, indices: Iterable[int], every_row: bool = False) -> Iterator[Item]:
        """Yield the samples at ``indices``, in order, read and decoded ahead."""
        geometries = tuple(plan.geometry for plan in self.plans)
        reader = Reader(self.scan.source, self.pending, geometries, self._sets_of, every_row)
        formats = {plan.record.format for plan in self.plans}
        n_images = int(self.pending.must_read.sum())
        items = read_items(
            reader, indices, n_images, formats, self.options, self._window, self._say
        )
        self._exits.callback(items.close)  # type: ignore[attr-defined]
        return items

    def rest(self) -> list[FeatureBlock]:
        """Wait for the batches in the engines and return their blocks, for a run that is cut short.

        Batches that failed are left out.
        """
        begun = [
            (items, jobs)
            for items, jobs in self._begun
            if not any(job.outputs.exception() for job in jobs if job)
        ]
        self._begun.clear()
        return [self._finish(items, jobs, every_row=False) for items, jobs in begun]

    def _window(self) -> int:
        """Return how many images may be ahead: two batches, once their size is known.

        Fewer where each has many views, which take as much memory as so many images.
        """
        window = max(WINDOW, 2 * max((stage.known_batch_size for stage in self.stages), default=0))
        n_views = len(self.stages) // max(1, len(set(self.stages)))
        return max(LEAST_WINDOW, window // max(1, n_views))

    def _all_items(self, ranges: Sequence[range]) -> Iterator[Item]:
        must_read, pending = self.pending.must_read, self.pending
        wanted = (index for index in chain.from_iterable(ranges) if must_read[index])
        read = self.read(wanted, every_row=True)
        for index in chain.from_iterable(ranges):
            if must_read[index]:
                yield next(read)
            else:
                yield Item(index, self.scan.digests[index].tobytes(), rows=pending.rows_of(index))

    def _blocks(self, items: Iterator[Item], every_row: bool) -> Iterator[FeatureBlock]:
        for group in chain(self._groups(items), [None]):
            if group is not None:
                self._begun.append((group, self._begin(group)))
            while len(self._begun) > (self._n_parallel if group else 0):
                # What is interrupted here is still begun, and `rest` returns it.
                block = self._finish(*self._begun[0], every_row)
                self._begun.popleft()
                yield block

    def _groups(self, items: Iterable[Item]) -> Iterator[list[Item]]:
        """Cut ``items`` into groups that fill a batch."""
        group: list[Item] = []
        n_wanted = 0
        for item in items:
            self.seconds.read += item.read_seconds
            self.seconds.decode += item.decode_seconds
            group.append(item)
            n_wanted += bool(item.pixels)
            if (n_wanted and n_wanted == self._group_size) or len(group) == MAX_BLOCK:
                yield group
                group, n_wanted = [], 0
        if group:
            yield group

    @cached_property
    def _group_size(self) -> int:
        return max(stage.batch_size for stage in self.stages)

    def _begin(self, items: list[Item]) -> list[Job | None]:
        """Hand the pixels of a group to the engines; return a job for each plan, or None."""
        jobs: list[Job | None] = []
        for number, stage in enumerate(self.stages):
            images = [item.pixels[number] for item in items if number in item.pixels]
            jobs.append(stage.submit(images) if images else None)
            if stage.engine:
                self._n_parallel = max(self._n_parallel, stage.engine.n_parallel)
        return jobs

    def _finish(
        self, items: Sequence[Item], jobs: Sequence[Job | None], every_row: bool
    ) -> FeatureBlock:
        """Wait for a group's jobs and put its block together."""
        joined = b"".join(item.digest or NO_DIGEST for item in items)
        digests = np.frombuffer(joined, np.uint8).reshape(-1, DIGEST_BYTES)
        new: list[tuple[int, FeatureBatch]] = []
        computed: dict[int, NDArray[Any]] = {}
        for number, job in enumerate(jobs):
            if job is None:
                continue
            stage = self.stages[number]
            try:
                outputs = job.outputs.result()
            except Exception as error:  # noqa: BLE001 (raised again unless memory is short)
                outputs = stage.run_again(job, error)
            stage.check_drift(job.images, outputs)
            slots = [slot for slot, item in enumerate(items) if number in item.pixels]
            batches = _batches(self.plans[number], digests[slots], outputs)
            for set_number, batch in zip(self._sets_of[number], batches, strict=True):
                computed[set_number] = batch.X
                kept = [items[s].is_new and items[s].rows[set_number] < 0 for s in slots]
                if not all(kept):
                    batch = FeatureBatch(batch.digests[kept], batch.X[kept])
                new.append((set_number, batch))
        X = self._columns(items, computed) if every_row else None
        n_cached = sum(not (item.pixels or item.reason) for item in items) if every_row else 0
        indices = np.array([item.index for item in items], np.int64)
        reasons = tuple(item.reason for item in items)
        return FeatureBlock(indices, digests, reasons, tuple(new), X, n_cached)

    def _columns(self, items: Sequence[Item], computed: Mapping[int, NDArray[Any]]) -> NDArray[Any]:
        """Return the rows of all items that have one, in order, the wanted sets side by side."""
        with_rows = [item for item in items if not item.reason]
        if not with_rows:
            return np.zeros((0, 0), np.float32)
        parts = [self._rows_of_set(n, with_rows, computed.get(n)) for n in self._wanted]
        return parts[0] if len(parts) == 1 else np.hstack(parts)

    def _rows_of_set(
        self, set_number: int, items: Sequence[Item], computed: NDArray[Any] | None
    ) -> NDArray[Any]:
        """Return the rows of one set: those that were computed, and the others from the cache."""
        stage = next(n for n, sets in enumerate(self._sets_of) if set_number in sets)
        is_computed = np.array([stage in item.pixels for item in items])
        if computed is not None and is_computed.all():
            return computed
        cached = [item.rows[set_number] for item in items if stage not in item.pixels]
        rows = self.pending.take(set_number, np.array(cached, np.int64))
        if computed is None:
            return rows
        X = np.empty((len(items), rows.shape[1]), rows.dtype)
        X[is_computed], X[~is_computed] = computed, rows
        return X


def _batches(plan: Plan, digests: NDArray[np.uint8], outputs: Outputs) -> list[FeatureBatch]:
    """Return the outputs of a plan in the number formats of its sets; refuse what is not finite."""
    batches = []
    for spec, X in zip(plan.specs, outputs, strict=True):
        try:
            stored = X if X.dtype == spec.storage else to_storage(X, spec.storage)
            batches.append(FeatureBatch(digests, stored))
        except ValueError as error:
            raise BackboneError(
                f"{plan.record.name} gave numbers that cannot be stored as {spec.storage}: "
                f"{error}. Check the weights, or use --storage float32 and --precision float32"
            ) from error
    return batches
