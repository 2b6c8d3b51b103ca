"""Features of a source as they are computed, in order, without keeping them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..cache import FeatureStore, ShardSet
from .decode import strict_images
from .engines import Engine, run_padded
from .options import Observer, RunOptions, Silence
from .plan import Plan
from .sources import Source
from .stream import Item, Reader, group, read_ahead

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
    reader = Reader(source, plan.geometry, _Missing(shards))
    observer.begin(sum(map(len, spans)), f"{plan.record.name}: scoring")
    with strict_images():
        size = min(options.batch_size, 1 << max(0, n_samples - 1).bit_length())
        items = read_ahead(reader, chain.from_iterable(spans), options.n_workers, 3 * size)
        maker = _ChunkMaker(plan, shards, size)
        for span in spans:
            for held in group(islice(items, len(span)), size):
                yield maker.chunk(held)
                observer.advance(len(held))


@dataclass(frozen=True)
class _Missing:
    shards: ShardSet | None

    def __call__(self, digest: bytes) -> bool:
        if self.shards is None:
            return True
        return bool(self.shards.index.find(np.frombuffer(digest, np.uint8)[None])[0] < 0)


class _ChunkMaker:
    def __init__(self, plan: Plan, shards: ShardSet | None, batch_size: int) -> None:
        self.plan, self.shards, self.batch_size = plan, shards, batch_size
        self.engine: Engine | None = None

    def chunk(self, held: list[Item]) -> FeatureChunk:
        computed = [place for place, item in enumerate(held) if item.pixels is not None]
        cached = [p for p, item in enumerate(held) if item.pixels is None and not item.reason]
        parts: list[NDArray[Any]] = []
        if computed:
            parts.append(self._compute([held[place] for place in computed]))
        if cached and self.shards is not None:
            digests = b"".join(held[place].digest for place in cached)
            rows = self.shards.index.find(np.frombuffer(digests, np.uint8).reshape(-1, 32))
            parts.append(self.shards.take(rows))
        ok = np.zeros(len(held), np.bool_)
        ok[computed + cached] = True
        order = np.argsort(np.array(computed + cached, np.int64))
        X = np.concatenate(parts)[order] if parts else np.zeros((0, 0), np.float32)
        fresh = np.zeros(len(held), np.bool_)
        fresh[computed] = True
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

    def _compute(self, items: list[Item]) -> NDArray[Any]:
        self.engine = self.engine or self.plan.build_engine(self.batch_size)
        pixels = np.stack([item.pixels for item in items if item.pixels is not None])
        (X,) = run_padded(self.engine, pixels)
        return X.astype(self.plan.spec.storage, copy=False)
