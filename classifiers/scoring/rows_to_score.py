"""The rows to score: images through their backbone, or features that are cached already."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ...cache import (
    BadImage,
    FeatureSet,
    FeatureSpec,
    FeatureStore,
    Listing,
    Run,
    RunRecord,
    has_digest,
)
from ...cache.records.run_record import SCORE
from ...extractor.feature_plans import FeaturePlans
from ...extractor.pipeline.scan import scan_source
from ...extractor.pipeline.stream import FeatureBlock, FeatureStream
from ...extractor.pipeline.writer import ShardWriter
from ...extractor.run_options import LogObserver, Observer, RunOptions
from ...extractor.sources import Source
from .row_block import RowBlock

RowBlocks = Generator[RowBlock, None, None]
CACHED_BLOCK_ROWS = 1 << 13


class RowsToScore(Protocol):
    """Samples in a fixed order, and their features on demand.

    Attributes
    ----------
    location : str
        Where the samples come from, for people.
    listing : Listing
    marks : ndarray, shape (n_samples, m)
        Changes where a sample's content changes.
    n_cached : int
        Rows whose features were not computed now.
    keeps_features : bool
        Features that are computed are written to the cache.
    is_cached : bool
        All features come from the cache: they need no checkpoint of their own.
    """

    location: str
    listing: Listing
    marks: NDArray[Any]
    n_cached: int
    keeps_features: bool
    is_cached: bool

    def blocks(self, ranges: Sequence[range], group_rows: int) -> RowBlocks:
        """Yield the samples of ``ranges`` with their features, in order.

        A block is of any length within one range. Where it costs nothing, blocks end at multiples
        of ``group_rows``.
        """
        ...

    def flush(self) -> None:
        """Bring the features of all blocks so far into the cache, where they are kept."""
        ...

    def commit(self, digests: NDArray[np.uint8], bad: Sequence[tuple[int, str]]) -> None:
        """Record which samples there were and which failed, once all are predicted.

        Parameters
        ----------
        digests : ndarray, shape (n_samples, 32)
        bad : sequence of (index, reason)
        """
        ...


@dataclass
class ImageRows:
    """Images of a source, through their backbone.

    Attributes
    ----------
    source : Source
    plans : FeaturePlans
    store : FeatureStore
        Features found there are not computed again.
    n_features : int
    options : RunOptions
    observer : Observer
    write_cache : bool
        Whether features that are computed are kept there.
    """

    source: Source
    plans: FeaturePlans
    store: FeatureStore
    n_features: int
    options: RunOptions = field(default_factory=RunOptions)
    observer: Observer = field(default_factory=LogObserver)
    write_cache: bool = False

    def __post_init__(self) -> None:
        self.started = time.perf_counter()
        self.scan = scan_source(self.source, self.store)
        self.location = self.source.location
        self.listing, self.marks = self.scan.listing, self.scan.stamps
        self.keeps_features, self.is_cached = self.write_cache, False
        self.n_cached = 0
        self.n_computed: Counter[FeatureSpec] = Counter()
        self.remarks: dict[int, str] = {}
        self.engines: dict[FeatureSpec, tuple[str, dict[str, Any]]] = {}
        self._writer: ShardWriter | None = None
        self.run: Run | None = None
        if self.write_cache:
            self.run = self.scan.begin_run(SCORE, self.store, self.plans.specs)

    def blocks(self, ranges: Sequence[range], group_rows: int) -> RowBlocks:
        """Yield each batch of images once it is computed."""
        if not ranges:
            return
        say, plans = self.observer.say, self.plans.plans
        with FeatureStream(self.scan, plans, self.store, self.options, say=say) as stream:
            n_images = sum(map(len, ranges))
            must_read = stream.pending.must_read
            n_cached = n_images - sum(int(must_read[r.start : r.stop].sum()) for r in ranges)
            cached = f", features of {n_cached:,} cached" if n_cached else ""
            self.observer.begin(n_images, f"{self.plans.name}: scoring{cached}")
            blocks = stream.every_row(ranges, self.plans.specs)
            self.remarks = stream.pending.remarks
            if self.run is None:
                for block in blocks:
                    yield from self._runs_of(block)
                return
            self._writer = ShardWriter(self.store, self.run, stream)
            try:
                with self._writer.saving():
                    for block in blocks:
                        self._writer.put(block.new)
                        yield from self._runs_of(block)
            finally:
                for spec, n_written in zip(stream.specs, self._writer.n_written, strict=True):
                    self.n_computed[spec] += n_written
                self._writer = None
                self._note_engines(stream)

    def _note_engines(self, stream: FeatureStream) -> None:
        """Keep which engine each set was computed with, and how far that is off."""
        for plan, stage in zip(stream.plans, stream.stages, strict=True):
            notes = {"drift": stage.drift.to_dict()} if stage.drift else {}
            self.engines |= dict.fromkeys(plan.specs, (stage.engine_name, notes))

    def _runs_of(self, block: FeatureBlock) -> RowBlocks:
        """Cut a block where its samples are no neighbours."""
        self.n_cached += block.n_cached
        self.observer.advance(len(block.indices))
        breaks = np.flatnonzero(np.diff(block.indices) != 1) + 1
        for start, stop in pairwise([0, *breaks.tolist(), len(block.indices)]):
            piece = block.piece(start, stop)
            X = np.zeros((0, self.n_features), np.float32)
            if piece.X is not None and len(piece.X):
                X = piece.X
            yield RowBlock(int(piece.indices[0]), piece.ok, X, piece.reasons, piece.digests)

    def flush(self) -> None:
        """With ``write_cache``, bring what was computed so far into the cache."""
        if self._writer is not None:
            self._writer.flush()

    def commit(self, digests: NDArray[np.uint8], bad: Sequence[tuple[int, str]]) -> None:
        """Say what was remarked; with ``write_cache``, leave a snapshot that names the rows."""
        for remark, n_images in Counter(self.remarks.values()).most_common():
            self.observer.say(f"{n_images} images read with a remark: {remark}")
        if self.run is None:
            return
        scan = self.scan
        scan.digests[:] = digests
        scan.name_rows(self.run.count_on)
        ids, is_read = self.listing.sample_ids, has_digest(digests)
        failed = [
            BadImage(ids[i], digests[i].tobytes().hex() * bool(is_read[i]), reason)
            for i, reason in bad
        ]
        records = [self._record(spec, digests, len(bad)) for spec in self.plans.specs]
        self.store.write_quarantine(self.run.snapshot_name, failed)
        with self.run as run:
            run.finish(scan.manifest(), records)

    def _record(self, spec: FeatureSpec, digests: NDArray[np.uint8], n_bad: int) -> RunRecord:
        n_rows = int((self.store.open_set(spec).index.find(digests) >= 0).sum())
        engine, notes = self.engines.get(spec, ("", {}))
        return RunRecord(
            manifest=self.scan.source.name,
            fingerprint=spec.fingerprint,
            finished_ns=time.time_ns(),
            n_samples=self.scan.n_samples,
            n_extracted=self.n_computed[spec],
            n_cached=n_rows - self.n_computed[spec],
            n_bad=n_bad,
            seconds=time.perf_counter() - self.started,
            engine=engine,
            notes=notes,
        )


@dataclass
class CachedRows:
    """Features that the cache holds, in their manifest's order; no image is opened.

    Attributes
    ----------
    features : FeatureSet
        Those of its random views stand beside them.
    reasons : mapping of str to str
        Why a sample has no features, by its id.
    """

    features: FeatureSet
    reasons: dict[str, str]
    observer: Observer = field(default_factory=LogObserver)

    def __post_init__(self) -> None:
        manifest = self.features.manifest
        self.location = f"{manifest.location} (cached features)"
        self.listing, self.marks = manifest.listing, manifest.digests
        self.keeps_features, self.is_cached = False, True
        self.n_cached = 0

    def blocks(self, ranges: Sequence[range], group_rows: int) -> RowBlocks:
        """Yield rows as the cache maps them, in blocks of whole groups."""
        self.observer.begin(sum(map(len, ranges)), f"{self.features.spec.backbone}: scoring")
        n_views = 1 + len(self.features.views)
        step = max(1, CACHED_BLOCK_ROWS // (group_rows * n_views)) * group_rows
        for rows in ranges:
            for start in range(rows.start, rows.stop, step):
                self.observer.advance(min(step, rows.stop - start))
                yield self._block(range(start, min(start + step, rows.stop)))

    def _block(self, rows: range) -> RowBlock:
        first, last = np.searchsorted(self.features.kept, [rows.start, rows.stop]).tolist()
        ok = np.zeros(len(rows), np.bool_)
        ok[self.features.kept[first:last] - rows.start] = True
        self.n_cached += last - first
        ids = self.listing.sample_ids
        reasons = [""] * len(rows)
        for row in np.flatnonzero(~ok).tolist():
            name = ids[rows.start + row]
            reasons[row] = self.reasons.get(name, "the cache holds no features of it")
        X: Any = self.features.X.window(first, last)
        if self.features.views:
            X = np.hstack([X[:], *(view[first:last] for view in self.features.views)])
        return RowBlock(rows.start, ok, X, reasons)

    def flush(self) -> None:
        """Do nothing: the cache holds them."""

    def commit(self, digests: NDArray[np.uint8], bad: Sequence[tuple[int, str]]) -> None:
        """Do nothing: the cache holds them."""
