"""Extraction: images to rows in the cache, each image read and decoded once."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..cache import BadImage, FeatureStore, Manifest, RunRecord, has_digest, sample_keys
from ..cache.errors import CacheFormatError, CacheWriteError, SourceFormatError
from ..cache.manifest import DIGEST_BYTES
from ..cache.records.run_record import EXTRACT
from .engines.choose import AUTO, idle_gpu
from .engines.model_folder import model_folder
from .engines.precision import Settled, settle
from .extract_report import ExtractReport
from .hardware import n_usable_cores
from .images.decode import strict_images
from .pipeline.groups import group_plans
from .pipeline.pending import Coverage
from .pipeline.pipeline import Lane, Pipeline
from .pipeline.rates import StageRates, StageSeconds
from .pipeline.scan import Survey, survey
from .pipeline.stream import WINDOW, Item, Reader, read_ahead
from .pipeline.writer import ShardWriter
from .plan import Plan
from .run_options import Observer, RunOptions, Silence
from .sources import Source

NO_DIGEST = bytes(DIGEST_BYTES)


def extract(
    source: Source,
    plans: Sequence[Plan],
    store: FeatureStore,
    options: RunOptions | None = None,
    observer: Observer | None = None,
) -> list[ExtractReport]:
    """Bring every image of ``source`` into the cache under all ``plans``; what is there stays.

    Each image is read and decoded once for all plans. Rows are saved as the run goes on:
    interrupted at any moment, the same call goes on from there.

    Returns
    -------
    list of ExtractReport
        One for each plan, in order. The first plan's features count as the newest of all.

    Raises
    ------
    CacheWriteError
        The disk refused; all earlier rows are safe.
    TooManyBadImagesError
        More images failed than ``options.max_bad`` allows; all rows are saved.
    SourceFormatError
        Not one image of the source can be read.
    """
    options, observer = options or RunOptions(), observer or Silence()
    started = time.perf_counter()
    with strict_images():
        settled = _without_repeats(settle(plans, source, store, options, observer.say))
        extraction = _Extraction(source, settled, store, options, observer, started)
        with extraction.run:
            extraction.work()
            return extraction.finish()


def _without_repeats(settled: Sequence[Settled]) -> list[Settled]:
    return list({found.plan.spec.fingerprint: found for found in settled}.values())


@dataclass
class _Extraction:
    """The state of one extraction."""

    source: Source
    settled: list[Settled]
    store: FeatureStore
    options: RunOptions
    observer: Observer
    started: float
    stages: StageSeconds = field(default_factory=StageSeconds)

    def __post_init__(self) -> None:
        self.survey: Survey = survey(self.source, self.store)
        self.plans = [found.plan for found in self.settled]
        specs = [plan.spec for plan in self.plans]
        source, started_ns = self.source, self.survey.started_ns
        self.run = self.store.begin_run(EXTRACT, source.name, source.location, specs, started_ns)
        self.named = np.zeros(len(self.survey.listing), np.bool_)
        self._name_rows(self.run.count_on)
        self.groups = group_plans(self.plans)
        quarantine = self.store.read_quarantine(self.source.name)
        self.failed: dict[bytes, str] = {}
        if not self.options.retry_failed:
            self.failed = {bytes.fromhex(b.digest): b.reason for b in quarantine if b.digest}
        self.unreadable: dict[int, str] = {}
        shards = [self.store.open_set(plan.spec) for plan in self.plans]
        self.coverage = Coverage(shards, self.groups, self.failed, self.survey.digests)
        self.lanes: list[Lane] = []
        self.n_written = [0 for _ in self.plans]

    def work(self) -> None:
        """Extract what is missing."""
        todo = self.coverage.todo(self.survey.digests)
        if not len(todo):
            return
        # The batch size must not depend on how much is left: in another the backbone may round in
        # another way, and a resumed run would not end with the bits of an undisturbed one.
        n_samples = len(self.survey.listing)
        self.lanes = [Lane(group, self.options, n_samples) for group in self.groups]
        names = " + ".join(dict.fromkeys(plan.record.name for plan in self.plans))
        self.observer.begin(len(todo), f"{names}: extracting")
        specs = [plan.spec for plan in self.plans]
        writer = ShardWriter(
            self.store, specs, lambda: self._name_rows(self.run.name_rows), n_samples
        )
        pipeline = Pipeline(self.lanes, self.coverage, writer)
        geometries = tuple(group.geometry for group in self.groups)
        reader = Reader(self.source, geometries, self.coverage.claim)
        items = read_ahead(reader, todo, self.options.n_workers, WINDOW)
        try:
            for item in items:
                self._absorb(item, pipeline)
            pipeline.finish()
        except CacheWriteError:
            raise
        except BaseException:
            # Ctrl-C or a failing engine: what is computed by now is kept.
            pipeline.save()
            raise
        finally:
            items.close()  # type: ignore[attr-defined]
            pipeline.close()
            self._close(writer)

    def _close(self, writer: ShardWriter) -> None:
        try:
            writer.close()
        finally:
            self.n_written = writer.n_written
            self.stages.write = writer.seconds
            self.stages.infer = sum(lane.pool.busy_seconds for lane in self.lanes)

    def _absorb(self, item: Item, pipeline: Pipeline) -> None:
        self.stages.read += item.read_seconds
        self.stages.decode += item.decode_seconds
        self.survey.digests[item.index] = np.frombuffer(item.digest or NO_DIGEST, np.uint8)
        if item.reason and item.digest:
            self.failed[item.digest] = item.reason
        elif item.reason:
            self.unreadable[item.index] = item.reason
        pipeline.add(item.digest, item.pixels)
        self.observer.advance(1)

    def _name_rows(self, name: Callable[..., None]) -> None:
        """Name the rows of all images whose digest is known and that are not named yet."""
        survey = self.survey
        new = np.flatnonzero(has_digest(survey.digests) & ~self.named)
        name(survey.digests[new], sample_keys(survey.listing.sample_ids, survey.stamps, new))
        self.named[new] = True

    def finish(self) -> list[ExtractReport]:
        """Write the snapshot, the quarantine and the records; check the limit on bad images."""
        manifest = self.survey.manifest(self.source)
        bad = self._bad_images()
        name = self.source.name
        place = str(self.store.root / "quarantine" / f"{name}.jsonl")
        self.store.write_quarantine(name, bad)
        if len(bad) == len(manifest):
            raise SourceFormatError(
                f"not one of the {len(bad)} files in {self.source.location} can be read as an "
                f"image. The first is {bad[0].sample_id}: {bad[0].reason}. All reasons: {place}"
            )
        self._name_rows(self.run.count_on)
        records = self._write_records(manifest, len(bad))
        if self.options.max_bad:
            self.options.max_bad.check(len(bad), len(manifest), place)
        sentence, warnings = self._bottleneck(), self._warnings()
        return [
            ExtractReport(
                f"{name}@{record.fingerprint[:12]}",
                record,
                bad,
                self.source.left_out,
                place,
                self.stages,
                sentence,
                warnings,
            )
            for record in records
        ]

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

    def _write_records(self, manifest: Manifest, n_bad: int) -> list[RunRecord]:
        """Write one record for each plan, the first plan's last: it counts as the newest."""
        records = [self._record(member, n_bad) for member in reversed(range(len(self.plans)))]
        return self.run.finish(manifest, records)[::-1]

    def _record(self, member: int, n_bad: int) -> RunRecord:
        n_samples, n_written = len(self.survey.listing), self.n_written[member]
        earlier = None if n_written else self._earlier(member)
        return RunRecord(
            manifest=self.source.name,
            fingerprint=self.plans[member].spec.fingerprint,
            finished_ns=time.time_ns(),
            n_samples=n_samples,
            n_extracted=n_written,
            n_cached=n_samples - n_written - n_bad,
            n_bad=n_bad,
            seconds=time.perf_counter() - self.started,
            engine=self._engine_name(member) or (earlier.engine if earlier else ""),
            notes={**(earlier.notes if earlier else {}), **self._notes(member)},
        )

    def _engine_name(self, member: int) -> str:
        lanes = [lane for lane in self.lanes if member in lane.group.members]
        return lanes[0].engine_name if lanes else ""

    def _notes(self, member: int) -> dict[str, Any]:
        found = self.settled[member]
        notes: dict[str, Any] = {
            "precision": found.why or f"{found.plan.spec.precision}: asked for"
        }
        if found.drift:
            notes["drift"] = found.drift.to_dict()
        for lane in self.lanes:
            if member in lane.group.members and lane.pool.engine:
                notes["batch_size"] = lane.pool.batch_size
        if self._bottleneck():
            notes["bottleneck"] = self._bottleneck()
        return notes

    def _earlier(self, member: int) -> RunRecord | None:
        """Return the record of the run that made the rows: its engine, their drift."""
        fingerprint = self.plans[member].spec.fingerprint
        try:
            return self.store.read_run(fingerprint, self.source.name)
        except CacheFormatError:
            return None

    def _warnings(self) -> tuple[str, ...]:
        names = [lane.engine_name for lane in self.lanes if lane.engine_name]
        idle = [warning for warning in map(idle_gpu, names) if warning]
        smaller = [
            f"memory did not suffice: the batch size went down to {lane.pool.batch_size}"
            for lane in self.lanes
            if lane.pool.halved
        ]
        return (*dict.fromkeys(idle), *self._refusals(), *smaller)

    def _refusals(self) -> list[str]:
        """Say why Keras runs what OpenVINO was to run."""
        if self.options.engine != AUTO:
            return []
        in_keras = [lane for lane in self.lanes if lane.engine_name.startswith("keras")]
        reasons = [model_folder(lane.group.network).refusal() for lane in in_keras]
        return [f"Keras computes, which is slower: {reason}" for reason in reasons if reason]

    def _bottleneck(self) -> str:
        engines = [lane.pool.engine for lane in self.lanes if lane.pool.engine]
        n_images = max(self.n_written, default=0)
        if not engines or not n_images or not self.stages.are_telling:
            return ""
        n_parallel = max(engine.n_parallel for engine in engines)
        threads = (self.options.n_workers, n_parallel)
        rates = StageRates.of(n_images, self.stages, threads, n_usable_cores())
        advice = ""
        if all(engine.precision == "float32" for engine in engines):
            advice = "a smaller --size, a lighter --backbone or a GPU would help"
        return rates.sentence(advice)
