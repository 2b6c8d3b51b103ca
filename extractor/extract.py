"""Extraction: images to rows in the cache, each image once."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from itertools import chain, islice

import numpy as np
from numpy.typing import NDArray

from ..cache import BadImage, FeatureBatch, FeatureStore, RunRecord, ShardSet, has_digest
from ..cache.errors import BackboneError, CacheWriteError, SourceFormatError
from .decode import strict_images
from .engines import Engine, run_padded
from .options import SHARD_BYTES, SHARD_SECONDS, Observer, RunOptions, Silence
from .plan import Plan
from .sources import Source
from .stream import Item, Reader, group, read_ahead
from .survey import Survey, survey


@dataclass
class StageSeconds:
    """Seconds spent in each stage; reading and decoding are summed over threads."""

    read: float = 0.0
    decode: float = 0.0
    infer: float = 0.0
    write: float = 0.0


@dataclass(frozen=True)
class ExtractReport:
    """What an extraction did.

    Attributes
    ----------
    name : str
        Names the features on the command line.
    record : RunRecord
    bad : list of BadImage
        Every image of the source that could not be read, in order.
    left_out : dict of str to int
        Files that are no images, by ending.
    quarantine : str
        Where the reasons are kept.
    stages : StageSeconds
    """

    name: str
    record: RunRecord
    bad: list[BadImage]
    left_out: dict[str, int]
    quarantine: str
    stages: StageSeconds


def extract(
    source: Source,
    plan: Plan,
    store: FeatureStore,
    options: RunOptions | None = None,
    observer: Observer | None = None,
) -> ExtractReport:
    """Bring every image of ``source`` into the cache under ``plan``; what is there stays.

    Rows are saved as the run goes on: interrupted at any moment, the same call goes on from there.

    Raises
    ------
    CacheWriteError
        The disk refused; all earlier rows are safe.
    TooManyBadImagesError
        More images failed than ``options.max_bad`` allows; all rows are saved.
    SourceFormatError
        Not one image of the source can be read.
    """
    run = _Extraction(source, plan, store, options or RunOptions(), observer or Silence())
    with strict_images():
        run.work()
    return run.finish()


@dataclass
class _Extraction:
    """The state of one extraction."""

    source: Source
    plan: Plan
    store: FeatureStore
    options: RunOptions
    observer: Observer
    stages: StageSeconds = field(default_factory=StageSeconds)
    n_extracted: int = 0
    engine_name: str = ""

    def __post_init__(self) -> None:
        self.started = self.shard_started = time.perf_counter()
        self.survey: Survey = survey(self.source, self.store)
        self.shards: ShardSet = self.store.open_set(self.plan.spec)
        quarantine = self.store.read_quarantine(self.source.name)
        self.failed: dict[bytes, str] = {}
        if not self.options.retry_failed:
            self.failed = {bytes.fromhex(b.digest): b.reason for b in quarantine if b.digest}
        self.unreadable: dict[int, str] = {}
        self.buffer: list[FeatureBatch] = []
        self._claimed: set[bytes] = set()
        self._lock = threading.Lock()

    def work(self) -> None:
        """Extract what is missing."""
        todo = self._todo()
        if not len(todo):
            return
        self.observer.begin(len(todo), f"{self.plan.record.name}: extracting")
        size = self.options.batch_size
        reader = Reader(self.source, self.plan.geometry, self._claim)
        items = read_ahead(reader, todo, self.options.n_workers, 3 * size)
        try:
            head = list(islice(items, size))
            self._absorb_all(chain(head, items), min(size, _power_of_two(len(head))))
            self._flush()
        except CacheWriteError:
            raise
        except BaseException:
            # Ctrl-C or a failing engine: what is computed by now is kept.
            self._flush()
            raise
        finally:
            items.close()  # type: ignore[attr-defined]

    def finish(self) -> ExtractReport:
        """Write the snapshot, the quarantine and the record; check the limit on bad images."""
        manifest = self.survey.manifest(self.source)
        bad = self._bad_images()
        name, spec = self.source.name, self.plan.spec
        place = str(self.store.root / "quarantine" / f"{name}.jsonl")
        self.store.write_quarantine(name, bad)
        if len(bad) == len(manifest):
            raise SourceFormatError(
                f"not one of the {len(bad)} files in {self.source.location} can be read as an "
                f"image. The first is {bad[0].sample_id}: {bad[0].reason}. All reasons: {place}"
            )
        self.store.write_manifest(manifest)
        self.store.drop_progress(name)
        record = self._record(len(bad))
        self.store.write_run(record)
        if self.options.max_bad:
            self.options.max_bad.check(len(bad), len(manifest), place)
        label = f"{name}@{spec.fingerprint[:12]}"
        return ExtractReport(label, record, bad, self.source.left_out, place, self.stages)

    def _todo(self) -> NDArray[np.int64]:
        digests = self.survey.digests
        cached = self.shards.index.find(digests) >= 0
        known = has_digest(digests)
        if self.failed:
            failed = (d.tobytes() in self.failed for d in digests[known])
            cached[known] |= np.fromiter(failed, np.bool_)
        return np.flatnonzero(~(known & cached))

    def _claim(self, digest: bytes) -> bool:
        """Say whether an image is still to be extracted; of equal images only one is."""
        row = np.frombuffer(digest, np.uint8)[None]
        if digest in self.failed or self.shards.index.find(row)[0] >= 0:
            return False
        with self._lock:
            if digest in self._claimed:
                return False
            self._claimed.add(digest)
        return True

    def _absorb_all(self, items: chain[Item], batch_size: int) -> None:
        engine: Engine | None = None
        for held in group(items, batch_size):
            for item in held:
                self._note(item)
            images = [item for item in held if item.pixels is not None]
            if images:
                engine = engine or self._build_engine(batch_size)
                self._infer(engine, images)
            self.observer.advance(len(held))
            self._flush_if_due()

    def _build_engine(self, batch_size: int) -> Engine:
        engine = self.plan.build_engine(batch_size)
        self.engine_name = engine.name
        self.shard_started = time.perf_counter()
        return engine

    def _note(self, item: Item) -> None:
        self.stages.read += item.read_seconds
        self.stages.decode += item.decode_seconds
        if item.digest:
            self.survey.digests[item.index] = np.frombuffer(item.digest, np.uint8)
            if item.reason:
                self.failed[item.digest] = item.reason
        else:
            self.survey.digests[item.index] = 0
            self.unreadable[item.index] = item.reason

    def _infer(self, engine: Engine, images: list[Item]) -> None:
        start = time.perf_counter()
        (X,) = run_padded(engine, np.stack([i.pixels for i in images if i.pixels is not None]))
        self.stages.infer += time.perf_counter() - start
        stored = X.astype(self.plan.spec.storage)
        digests = np.frombuffer(b"".join(i.digest for i in images), np.uint8).reshape(-1, 32)
        try:
            self.buffer.append(FeatureBatch(digests, stored))
        except ValueError as error:
            raise BackboneError(
                f"{self.plan.record.name} gave numbers that cannot be stored as "
                f"{self.plan.spec.storage}: {error}. Check the weights, or use --storage float32"
            ) from error

    def _flush_if_due(self) -> None:
        n_bytes = sum(batch.X.nbytes for batch in self.buffer)
        waited = time.perf_counter() - self.shard_started
        if n_bytes >= SHARD_BYTES or (n_bytes and waited >= SHARD_SECONDS):
            self._flush()

    def _flush(self) -> None:
        """Write the rows that are waiting as a shard, and what has been hashed so far."""
        start = time.perf_counter()
        if self.buffer:
            self.store.write_rows(self.plan.spec, self.buffer)
            self.n_extracted += sum(map(len, self.buffer))
            self.buffer = []
        self.store.write_progress(self.survey.manifest(self.source))
        self.stages.write += time.perf_counter() - start
        self.shard_started = time.perf_counter()

    def _bad_images(self) -> list[BadImage]:
        digests, ids = self.survey.digests, self.survey.listing.sample_ids
        if not self.failed and not self.unreadable:
            return []
        bad = []
        for index in range(len(ids)):
            digest = digests[index].tobytes()
            if index in self.unreadable:
                bad.append(BadImage(ids[index], "", self.unreadable[index]))
            elif digest in self.failed:
                bad.append(BadImage(ids[index], digest.hex(), self.failed[digest]))
        return bad

    def _record(self, n_bad: int) -> RunRecord:
        n_samples = len(self.survey.listing)
        return RunRecord(
            manifest=self.source.name,
            fingerprint=self.plan.spec.fingerprint,
            finished_ns=time.time_ns(),
            n_samples=n_samples,
            n_extracted=self.n_extracted,
            n_cached=n_samples - self.n_extracted - n_bad,
            n_bad=n_bad,
            seconds=time.perf_counter() - self.started,
            engine=self.engine_name,
        )


def _power_of_two(n: int) -> int:
    return 1 << max(0, n - 1).bit_length()
