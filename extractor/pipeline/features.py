"""Features of a source as they are computed, in order, without keeping them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...cache import FeatureStore, ShardSet
from ..engines import EnginePool
from ..engines.batch_size import DEFAULT_ON_CPU
from ..images.decode import strict_images
from ..plan import Plan
from ..run_options import Observer, RunOptions, Silence
from ..sources import Source
from .stream import WINDOW, Item, Reader, group, read_ahead

DIGEST_BYTES = 32


@dataclass(frozen=True)
class FeatureChunk:
    """Neighbouring samples of a source with their features.

    Attributes
    ----------
    start : int
        Place of the first sample in the source.
    ok : ndarray of bool, shape (n,)
        Which samples have features.
    X : ndarray of float, shape (ok.sum(), d)
        Features of those, in order.
    reasons : tuple of str, length n
        Why a sample has none; empty where it has.
    n_cached : int
        How many rows came from the cache.
    digests : ndarray of uint8, shape (n, 32)
        Of the images' bytes; zeros where they could not be read.
    computed : ndarray of bool, shape (n,)
        Which features were computed now.
    """

    start: int
    ok: NDArray[np.bool_]
    X: NDArray[Any]
    reasons: tuple[str, ...]
    n_cached: int
    digests: NDArray[np.uint8]
    computed: NDArray[np.bool_]


def iter_features(
    source: Source,
    plan: Plan,
    store: FeatureStore | None = None,
    options: RunOptions | None = None,
    observer: Observer | None = None,
    ranges: Sequence[range] | None = None,
) -> Iterator[FeatureChunk]:
    """Yield the features of every image of ``source``, in order, in bounded memory.

    Rows that ``store`` holds are taken from there; nothing is written. Keras is loaded when the
    first image must be computed. Given ``ranges``, ascending, only these samples are read, and no
    chunk reaches over a border: what is computed together does not depend on where a run begins.

    Raises
    ------
    WeightsMismatchError, UnknownBackboneError
        The backbone cannot be built.
    """
    options, observer = options or RunOptions(), observer or Silence()
    n_samples = len(source.listing())
    spans = [range(n_samples)] if ranges is None else ranges
    shards = store.open_set(plan.spec) if store else None
    reader = Reader(source, (plan.geometry,), _Missing(shards))
    observer.begin(sum(map(len, spans)), f"{plan.record.name}: scoring")
    largest = 1 << max(0, n_samples - 1).bit_length()
    pool: EnginePool[list[Item]] = EnginePool(
        lambda size: plan.build_engine(size, options.engine),
        min(options.batch_size or DEFAULT_ON_CPU, largest),
    )
    maker = _ChunkMaker(plan, shards, pool)
    with strict_images():
        items = read_ahead(reader, chain.from_iterable(spans), options.n_workers, WINDOW)
        try:
            for chunk in maker.chunks(_groups(items, spans, pool.batch_size)):
                yield chunk
                observer.advance(len(chunk.ok))
        finally:
            items.close()  # type: ignore[attr-defined]
            pool.close()


def _groups(items: Iterator[Item], spans: Iterable[range], batch_size: int) -> Iterator[list[Item]]:
    """Group the items of each span for itself."""
    for span in spans:
        yield from group(islice(items, len(span)), batch_size)


@dataclass(frozen=True)
class _Missing:
    shards: ShardSet | None

    def __call__(self, _index: int, digest: bytes) -> tuple[int, ...]:
        if self.shards is None:
            return (0,)
        row = np.frombuffer(digest, np.uint8)[None]
        return (0,) if self.shards.index.find(row)[0] < 0 else ()


@dataclass(frozen=True)
class _ChunkMaker:
    """Turns groups of items into chunks, in order, several groups in flight."""

    plan: Plan
    shards: ShardSet | None
    pool: EnginePool[list[Item]]

    def chunks(self, groups: Iterable[list[Item]]) -> Iterator[FeatureChunk]:
        for held in groups:
            pixels = [item.pixels[0] for item in held if item.pixels]
            if pixels:
                for earlier, outputs in self.pool.put(held, np.stack(pixels)):
                    yield self._chunk(earlier, outputs[0])
                continue
            # Nothing to compute: what is in flight comes first, to keep the order.
            for earlier, outputs in self.pool.drain():
                yield self._chunk(earlier, outputs[0])
            yield self._chunk(held, None)
        for earlier, outputs in self.pool.drain():
            yield self._chunk(earlier, outputs[0])

    def _chunk(self, held: list[Item], computed: NDArray[Any] | None) -> FeatureChunk:
        places = [place for place, item in enumerate(held) if item.pixels]
        cached = [p for p, item in enumerate(held) if not item.pixels and not item.reason]
        parts: list[NDArray[Any]] = []
        if computed is not None:
            parts.append(computed.astype(self.plan.spec.storage, copy=False))
        if cached and self.shards is not None:
            digests = b"".join(held[place].digest for place in cached)
            rows = self.shards.index.find(np.frombuffer(digests, np.uint8).reshape(-1, 32))
            parts.append(self.shards.take(rows))
        ok = np.zeros(len(held), np.bool_)
        ok[places + cached] = True
        order = np.argsort(np.array(places + cached, np.int64))
        X = np.concatenate(parts)[order] if parts else np.zeros((0, 0), np.float32)
        fresh = np.zeros(len(held), np.bool_)
        fresh[places] = True
        digests = b"".join(item.digest or bytes(DIGEST_BYTES) for item in held)
        return FeatureChunk(
            start=held[0].index,
            ok=ok,
            X=X,
            reasons=tuple(item.reason for item in held),
            n_cached=len(cached),
            digests=np.frombuffer(digests, np.uint8).reshape(-1, DIGEST_BYTES),
            computed=fresh,
        )
