"""Where the rows that are scored come from: images, or features that are cached already."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ...cache import (
    BadImage,
    FeatureBatch,
    FeatureMatrix,
    FeatureSet,
    FeatureStore,
    Listing,
    Manifest,
    Run,
    RunRecord,
    sample_keys,
)
from ...cache.records.run_record import SCORE
from ...extractor.pipeline.features import FeatureChunk, iter_features
from ...extractor.plan import Plan
from ...extractor.run_options import Observer, RunOptions, Silence
from ...extractor.sources import Source
from .predictions import RowBlock, id_array

IMAGE_PART_ROWS, IMAGE_PART_BYTES = 1 << 13, 64 << 20
CACHED_PART_ROWS, CACHED_PART_BYTES = 1 << 17, 256 << 20


class Supply(Protocol):
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

    def blocks(self, ranges: Sequence[range]) -> Iterator[tuple[range, RowBlock]]:
        """Yield the samples of each of ``ranges`` with their features."""
        ...

    def keep(self, digests: NDArray[np.uint8] | None, bad: Sequence[tuple[int, str]]) -> None:
        """Hear which samples there were and which failed, once all are predicted."""
        ...


@dataclass
class ImageSupply:
    """Images of a source, through their backbone.

    Attributes
    ----------
    source : Source
    plan : Plan
    store : FeatureStore or None
        Features found there are not computed again.
    write_cache : bool
        Features that are computed are kept there.
    """

    source: Source
    plan: Plan
    store: FeatureStore | None
    n_features: int
    run: RunOptions = field(default_factory=RunOptions)
    observer: Observer = field(default_factory=Silence)
    write_cache: bool = False

    def __post_init__(self) -> None:
        self.started, self.started_ns = time.perf_counter(), time.time_ns()
        self.location = self.source.location
        self.listing = self.source.listing()
        self.marks = self.source.stamps()
        self.part_rows = part_rows(self.n_features, IMAGE_PART_ROWS, IMAGE_PART_BYTES)
        self.n_cached = self.n_computed = 0
        self.cache_run: Run | None = None
        if self.write_cache and self.store is not None:
            source, specs = self.source, [self.plan.spec]
            self.cache_run = self.store.begin_run(
                SCORE, source.name, source.location, specs, self.started_ns
            )

    def blocks(self, ranges: Sequence[range]) -> Iterator[tuple[range, RowBlock]]:
        """Yield each range once its last image is computed; with ``write_cache``, kept by then."""
        if not ranges:
            return
        held: list[FeatureChunk] = []
        waiting = iter(ranges)
        rows = next(waiting)
        chunks = iter_features(self.source, self.plan, self.store, self.run, self.observer, ranges)
        for chunk in chunks:
            held.append(chunk)
            self.n_cached += chunk.n_cached
            if chunk.start + len(chunk.ok) == rows.stop:
                yield rows, self._block(rows, held)
                held, rows = [], next(waiting, rows)

    def _block(self, rows: range, chunks: list[FeatureChunk]) -> RowBlock:
        parts = [chunk.X for chunk in chunks if len(chunk.X)]
        digests = np.concatenate([chunk.digests for chunk in chunks])
        if self.cache_run:
            keys = sample_keys(
                self.listing.sample_ids, self.marks, np.arange(rows.start, rows.stop)
            )
            self.cache_run.name_rows(digests, keys)
            self._write_rows(chunks)
        return RowBlock(
            ids=id_array(self.listing.sample_ids, rows.start, rows.stop),
            ok=np.concatenate([chunk.ok for chunk in chunks]),
            X=np.concatenate(parts) if parts else np.zeros((0, self.n_features), np.float32),
            reasons=[reason for chunk in chunks for reason in chunk.reasons],
            digests=digests if self.write_cache else None,
        )

    def _write_rows(self, chunks: list[FeatureChunk]) -> None:
        fresh = [(c.digests[c.computed], c.X[c.computed[c.ok]]) for c in chunks if c.computed.any()]
        if not fresh or self.store is None:
            return
        digests = np.concatenate([digest for digest, _ in fresh])
        _, first = np.unique(digests, axis=0, return_index=True)
        X = np.concatenate([rows for _, rows in fresh])[np.sort(first)]
        self.store.write_rows(self.plan.spec, [FeatureBatch(digests[np.sort(first)], X)])
        self.n_computed += len(first)

    def keep(self, digests: NDArray[np.uint8] | None, bad: Sequence[tuple[int, str]]) -> None:
        """With ``write_cache``, leave a snapshot that names the rows."""
        if digests is None or self.store is None or self.cache_run is None:
            return
        source, listing = self.source, self.listing
        manifest = Manifest(
            source.name, source.location, listing, digests, self.marks, self.started_ns
        )
        images = [
            BadImage(listing.sample_ids[i], bytes(digests[i]).hex() * bool(digests[i].any()), why)
            for i, why in bad
        ]
        record = RunRecord(
            manifest=source.name,
            fingerprint=self.plan.spec.fingerprint,
            finished_ns=time.time_ns(),
            n_samples=len(listing),
            n_extracted=self.n_computed,
            n_cached=len(listing) - self.n_computed - len(bad),
            n_bad=len(bad),
            seconds=time.perf_counter() - self.started,
            engine="",
        )
        self.store.write_quarantine(self.cache_run.snapshot_name, images)
        with self.cache_run as run:
            run.finish(manifest, [record])


@dataclass
class CachedSupply:
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

    def blocks(self, ranges: Sequence[range]) -> Iterator[tuple[range, RowBlock]]:
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

    def keep(self, digests: NDArray[np.uint8] | None, bad: Sequence[tuple[int, str]]) -> None:
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
