"""Where the rows that are scored come from: images, or features that are cached already."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ...cache import (
    BadImage,
    FeatureMatrix,
    FeatureSet,
    FeatureStore,
    Listing,
    Run,
    RunRecord,
    has_digest,
)
from ...cache.records.run_record import SCORE
from ...extractor.pipeline.scan import scan_source
from ...extractor.pipeline.stream import FeatureBlock, FeatureStream
from ...extractor.pipeline.writer import ShardWriter
from ...extractor.plan import Plan
from ...extractor.run_options import Observer, RunOptions, Silence
from ...extractor.sources import Source
from .predictions import RowBlock, id_array

RowBlocks = Generator[tuple[range, RowBlock], None, None]
IMAGE_PART_ROWS, IMAGE_PART_BYTES = 1 << 13, 64 << 20
CACHED_PART_ROWS, CACHED_PART_BYTES = 1 << 17, 256 << 20


class RowsToScore(Protocol):
    """Samples in a fixed order, and their features on demand.

    Attributes
    ----------
    location : str
        Where the samples come from, for people.
    listing : Listing
    marks : ndarray, shape (n_samples, m)
        Changes where a sample's content changes.
    part_rows : int
        How many rows are predicted and saved at once.
    n_cached : int
        Rows whose features were not computed now.
    """

    location: str
    listing: Listing
    marks: NDArray[Any]
    part_rows: int
    n_cached: int

    def blocks(self, ranges: Sequence[range]) -> RowBlocks:
        """Yield each of ``ranges`` with its samples' features. Close it where it ends early."""
        ...

    def commit(self, digests: NDArray[np.uint8] | None, bad: Sequence[tuple[int, str]]) -> None:
        """Hear which samples there were and which failed, once all are predicted."""
        ...


@dataclass
class ImageRows:
    """Images of a source, through their backbone.

    Attributes
    ----------
    source : Source
    plan : Plan
    store : FeatureStore
        Features found there are not computed again.
    n_features : int
    options : RunOptions
    observer : Observer
    write_cache : bool
        Whether features that are computed are kept there.
    """

    source: Source
    plan: Plan
    store: FeatureStore
    n_features: int
    options: RunOptions = field(default_factory=RunOptions)
    observer: Observer = field(default_factory=Silence)
    write_cache: bool = False

    def __post_init__(self) -> None:
        self.started = time.perf_counter()
        self.scan = scan_source(self.source, self.store)
        self.location = self.source.location
        self.listing, self.marks = self.scan.listing, self.scan.stamps
        self.part_rows = part_rows(self.n_features, IMAGE_PART_ROWS, IMAGE_PART_BYTES)
        self.n_cached = self.n_computed = 0
        self.run: Run | None = None
        if self.write_cache:
            self.run = self.scan.begin_run(SCORE, self.store, self.plan.specs)

    def blocks(self, ranges: Sequence[range]) -> RowBlocks:
        """Yield each range once its last image is computed; with ``write_cache``, kept by then."""
        if not ranges:
            return
        self.observer.begin(sum(map(len, ranges)), f"{self.plan.record.name}: scoring")
        with FeatureStream(self.scan, [self.plan], self.store, self.options) as stream:
            blocks = stream.every_row(ranges)
            if self.run is None:
                yield from self._cut(blocks, ranges)
                return
            writer = ShardWriter(self.store, self.run, stream)
            with writer.saving():
                for rows, block in self._cut(_kept(blocks, writer), ranges):
                    writer.flush()
                    yield rows, block
            self.n_computed += writer.n_written[0]

    def _cut(self, blocks: Iterable[FeatureBlock], ranges: Sequence[range]) -> RowBlocks:
        """Cut blocks at the borders of ``ranges`` and join what lies between."""
        waiting = iter(ranges)
        rows = next(waiting)
        pieces: list[FeatureBlock] = []
        for block in blocks:
            self.n_cached += block.n_cached
            start = 0
            while start < len(block.indices):
                stop = int(np.searchsorted(block.indices, rows.stop))
                pieces.append(block.piece(start, stop))
                if block.indices[stop - 1] == rows.stop - 1:
                    yield rows, self._joined(rows, pieces)
                    pieces, rows = [], next(waiting, rows)
                start = stop
            self.observer.advance(len(block.indices))

    def _joined(self, rows: range, pieces: Sequence[FeatureBlock]) -> RowBlock:
        parts = [piece.X for piece in pieces if piece.X is not None and len(piece.X)]
        return RowBlock(
            ids=id_array(self.listing.sample_ids, rows.start, rows.stop),
            ok=np.concatenate([piece.ok for piece in pieces]),
            X=np.concatenate(parts) if parts else np.zeros((0, self.n_features), np.float32),
            reasons=[reason for piece in pieces for reason in piece.reasons],
            digests=np.concatenate([piece.digests for piece in pieces]),
        )

    def commit(self, digests: NDArray[np.uint8] | None, bad: Sequence[tuple[int, str]]) -> None:
        """With ``write_cache``, leave a snapshot that names the rows."""
        if digests is None or self.run is None:
            return
        scan, spec = self.scan, self.plan.spec
        scan.digests[:] = digests
        scan.name_rows(self.run.count_on)
        n_rows = int((self.store.open_set(spec).index.find(digests) >= 0).sum())
        ids, is_read = self.listing.sample_ids, has_digest(digests)
        failed = [
            BadImage(ids[i], digests[i].tobytes().hex() * bool(is_read[i]), reason)
            for i, reason in bad
        ]
        record = RunRecord(
            manifest=scan.source.name,
            fingerprint=spec.fingerprint,
            finished_ns=time.time_ns(),
            n_samples=scan.n_samples,
            n_extracted=self.n_computed,
            n_cached=n_rows - self.n_computed,
            n_bad=len(bad),
            seconds=time.perf_counter() - self.started,
            engine="",
        )
        self.store.write_quarantine(self.run.snapshot_name, failed)
        with self.run as run:
            run.finish(scan.manifest(), [record])


def _kept(blocks: Iterable[FeatureBlock], writer: ShardWriter) -> Iterator[FeatureBlock]:
    """Hand the new rows of all blocks to ``writer`` on their way."""
    for block in blocks:
        writer.put(block.new)
        yield block


@dataclass
class CachedRows:
    """Features that the cache holds, in their manifest's order; no image is opened.

    Attributes
    ----------
    features : FeatureSet
    reasons : mapping of str to str
        Why a sample has no features, by its id.
    """

    features: FeatureSet
    reasons: dict[str, str]
    observer: Observer = field(default_factory=Silence)

    def __post_init__(self) -> None:
        manifest = self.features.manifest
        self.location = f"{manifest.location} (cached features)"
        self.listing, self.marks = manifest.listing, manifest.digests
        width = self.features.X.shape[1] if len(self.features) else 1
        self.part_rows = part_rows(width, CACHED_PART_ROWS, CACHED_PART_BYTES)
        self.n_cached = 0

    def blocks(self, ranges: Sequence[range]) -> RowBlocks:
        """Yield the rows of each range as the cache maps them."""
        self.observer.begin(sum(map(len, ranges)), f"{self.features.spec.backbone}: scoring")
        for rows in ranges:
            yield rows, self._block(rows)
            self.observer.advance(len(rows))

    def _block(self, rows: range) -> RowBlock:
        first, last = np.searchsorted(self.features.kept, [rows.start, rows.stop])
        ok = np.zeros(len(rows), np.bool_)
        ok[self.features.kept[first:last] - rows.start] = True
        self.n_cached += int(last - first)
        ids = self.listing.sample_ids
        reasons = [""] * len(rows)
        for place in np.flatnonzero(~ok).tolist():
            name = ids[rows.start + place]
            reasons[place] = self.reasons.get(name, "the cache holds no features of it")
        X = _Window(self.features.X, int(first), int(last))
        return RowBlock(id_array(ids, rows.start, rows.stop), ok, X, reasons)

    def commit(self, digests: NDArray[np.uint8] | None, bad: Sequence[tuple[int, str]]) -> None:
        """Do nothing: the cache holds them."""


class _Window:
    """Neighbouring rows of a matrix that is read as it is sliced; heads read it in blocks."""

    ndim = 2

    def __init__(self, X: FeatureMatrix, first: int, last: int) -> None:
        self._X, self._first = X, first
        self.shape, self.dtype = (last - first, X.shape[1]), X.dtype

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: slice) -> NDArray[Any]:
        start, stop, _ = rows.indices(len(self))
        return self._X[self._first + start : self._first + stop]

    def blocks(self, n_rows: int) -> Iterator[NDArray[Any]]:
        """Iterate over the rows in blocks of at most ``n_rows``, in order."""
        for start in range(0, len(self), n_rows):
            yield self[start : start + n_rows]


def part_rows(n_features: int, most: int, n_bytes: int) -> int:
    """Return how many rows make a part: ``n_bytes`` of float32 features, not over ``most``."""
    return min(most, max(256, n_bytes // (4 * n_features)))
