"""Extraction: images to rows in the cache, each image read and decoded once."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from ..cache import BadImage, FeatureSpec, FeatureStore, Run, RunRecord
from ..cache.errors import CacheFormatError, SourceFormatError
from ..cache.layout import REMARKS
from ..cache.records.run_record import EXTRACT, EXTRACT_SECONDS, PART
from ..cache.records.tag import NO_TAG
from .extract_report import ExtractReport, bottleneck, warnings_of
from .images.decode import decoder_id, strict_images
from .images.pixel_range import OPTION, choose_pixel_range
from .parts import Part
from .pipeline.pending import PendingRows
from .pipeline.scan import Scan, scan_source
from .pipeline.stream import FeatureStream
from .pipeline.writer import ShardWriter, write_new_rows
from .plan import Plan, merge_plans
from .precision.resolve import resolve_precision
from .run_options import LogObserver, Observer, RunOptions
from .sources import Source


def extract(
    source: Source,
    plans: Sequence[Plan],
    store: FeatureStore,
    options: RunOptions | None = None,
    observer: Observer | None = None,
    kind: str = EXTRACT,
) -> list[ExtractReport]:
    """Bring every image of ``source`` into the cache under all ``plans``; what is there stays.

    Each image is read and decoded once for all plans. Rows are saved as the run goes on:
    interrupted at any moment, the same call goes on from there.

    Parameters
    ----------
    source : Source
    plans : sequence of Plan
    store : FeatureStore
    options : RunOptions, optional
    observer : Observer, optional
    kind : str
        Of the run record (see ``RunRecord``); only features of the kind ``extract`` count as the
        newest.

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
    options, observer = options or RunOptions(), observer or LogObserver()
    started = time.perf_counter()
    scan, resolved, warnings = prepare(source, plans, store, options, observer)
    failed = {} if options.retry_failed else earlier_failures(store, scan.source.name, options)
    merged = merge_plans(resolved)
    specs = list(dict.fromkeys(spec for plan in resolved for spec in plan.specs))
    kind = PART if options.part else kind
    with scan.begin_run(kind, store, specs) as run:
        for layers in {plan.weights.tail for plan in resolved if plan.weights.tail is not None}:
            store.keep_layers(layers)
        with FeatureStream(scan, merged, store, options, failed, observer.say) as stream:
            writer = ShardWriter(store, run, stream)
            n_todo = int(stream.pending.must_read.sum())
            if n_todo:
                names = " + ".join(dict.fromkeys(plan.record.name for plan in plans))
                observer.begin(n_todo, f"{names}: {_task(stream.pending)}")
            write_new_rows(stream, writer, lambda block: observer.advance(len(block.indices)))
        seconds = time.perf_counter() - started
        return _Finished(stream, writer, store, run, seconds, warnings).reports(specs)


def _task(pending: PendingRows) -> str:
    """Return what a run does with the images that it must read."""
    return "reading, extracting what is new" if pending.may_hold_new_files else "extracting"


def prepare(
    source: Source,
    plans: Sequence[Plan],
    store: FeatureStore,
    options: RunOptions,
    observer: Observer,
) -> tuple[Scan, list[Plan], tuple[str, ...]]:
    """Scan the source, or the part of it that is asked for, and settle what is left open.

    What is left open is settled by the whole source: all parts have one fingerprint.

    Returns
    -------
    Scan
    list of Plan
        With a pixel range and a precision.
    tuple of str
        Warnings.
    """
    settled, guessed = resolve_pixel_range(plans, source, options, observer)
    remarks = tuple(dict.fromkeys(text for plan in plans for text in plan.remarks))
    for remark in remarks:
        observer.say(remark)
    scan = scan_source(options.part.of(source) if options.part else source, store)
    resolved = resolve_precision(settled, scan, store, options, observer.say)
    return scan, resolved, (*guessed, *remarks)


def resolve_pixel_range(
    plans: Sequence[Plan], source: Source, options: RunOptions, observer: Observer
) -> tuple[list[Plan], tuple[str, ...]]:
    """Choose the pixel range of the plans that leave it open; say so, and warn of a guess."""
    if not any(plan.is_range_open for plan in plans):
        return list(plans), ()
    with strict_images(options.max_pixels):
        choice = choose_pixel_range(source.read, len(source.listing()))
    if choice.note:
        observer.say(f"pixel range {choice.pixel_range}: {choice.note}")
    guess = f"the pixel range {choice.pixel_range} is a guess: {OPTION} states it"
    chosen = [plan.with_pixel_range(choice) for plan in plans]
    return chosen, () if choice.is_sure else (guess,)


def earlier_failures(store: FeatureStore, name: str, options: RunOptions) -> dict[bytes, str]:
    """Return the digests that this decoder could not decode in an earlier run, with the reasons.

    Runs over parts of the source count.
    """
    decoder = decoder_id(options.max_pixels)
    names = [name, *(part for part in store.snapshot_names(name) if Part.of_name(part))]
    tried = [b for n in names for b in store.read_quarantine(n) if b.decoder == decoder]
    return {bytes.fromhex(bad.digest): bad.reason for bad in tried if bad.digest}


def bad_images(stream: FeatureStream) -> list[BadImage]:
    """Return every image of the source that cannot be read or decoded, in order."""
    scan, pending = stream.scan, stream.pending
    ids, decoder = scan.listing.sample_ids, decoder_id(stream.options.max_pixels)
    bad: list[BadImage] = []
    for index in range(scan.n_samples) if pending.failed or pending.unreadable else ():
        digest = scan.digests[index].tobytes()
        if index in pending.unreadable:
            bad.append(BadImage(ids[index], "", pending.unreadable[index]))
        elif digest in pending.failed:
            bad.append(BadImage(ids[index], digest.hex(), pending.failed[digest], decoder))
    return bad


@dataclass(frozen=True)
class _Finished:
    """An extraction whose rows are in the cache."""

    stream: FeatureStream
    writer: ShardWriter
    store: FeatureStore
    run: Run
    seconds: float
    warnings: tuple[str, ...]

    def reports(self, specs: Sequence[FeatureSpec]) -> list[ExtractReport]:
        """Write the snapshot, the quarantine and the records; check the limit on bad images."""
        scan, store, options = self.stream.scan, self.store, self.stream.options
        bad = bad_images(self.stream)
        quarantine = str(store.layout.quarantine(scan.source.name))
        store.write_quarantine(scan.source.name, bad)
        self._keep_remarks()
        if bad and len(bad) == scan.n_samples and not options.part:
            raise SourceFormatError(
                f"not one of the {len(bad)} files in {scan.source.location} can be read as an "
                f"image. The first is {bad[0].sample_id}: {bad[0].reason}. All reasons: "
                f"{quarantine}"
            )
        scan.name_rows(self.run.count_on)
        # The last record written counts as the newest, so the first spec's comes last.
        records = [self._record(spec, len(bad)) for spec in reversed(specs)]
        records = self.run.finish(scan.manifest(), records)[::-1]
        if options.max_bad:
            options.max_bad.check(len(bad), scan.n_samples, quarantine)
        warnings = (*self.warnings, *warnings_of(self.stream, self.writer))
        remarks = dict(Counter(self.stream.pending.remarks.values()).most_common())
        return [
            ExtractReport(
                name=f"{scan.source.name}@{record.fingerprint[:12]}",
                record=record,
                spec=spec,
                bad=bad,
                left_out=scan.source.left_out,
                quarantine=quarantine,
                stages=self.stream.seconds,
                bottleneck=self._bottleneck,
                warnings=warnings,
                remarks=remarks,
            )
            for spec, record in zip(specs, records, strict=True)
        ]

    def _keep_remarks(self) -> None:
        """Write down which images of the source were read with a remark, now or earlier."""
        scan, store, new = self.stream.scan, self.store, self.stream.pending.remarks
        name = scan.source.name + REMARKS
        earlier = {image.digest: image.reason for image in store.read_quarantine(name)}
        if not (earlier or new):
            return
        ids = scan.listing.sample_ids
        remarked = []
        for index in range(scan.n_samples):
            digest = scan.digests[index].tobytes().hex()
            if remark := new.get(index) or earlier.get(digest):
                remarked.append(BadImage(ids[index], digest, remark))
        store.write_quarantine(name, remarked)

    @cached_property
    def _bottleneck(self) -> str:
        return bottleneck(self.stream, self.writer)

    def _record(self, spec: FeatureSpec, n_bad: int) -> RunRecord:
        scan = self.stream.scan
        n_written = self.writer.n_written[self.stream.specs.index(spec)]
        stream = self.stream
        number = next(i for i, plan in enumerate(stream.plans) if spec in plan.specs)
        plan, stage = stream.plans[number], stream.stages[number]
        last = self._earlier(spec)
        earlier = None if n_written else last
        notes = dict(plan.noted_specs)[spec]
        if stage.engine:
            notes = {**notes, "batch_size": stage.batch_size}
        if stage.drift:
            notes = {**notes, "drift": stage.drift.to_dict()}
        if self._bottleneck:
            notes = {**notes, "bottleneck": self._bottleneck}
        if n_written:
            before = last.extract_seconds if last and n_written < scan.n_samples else 0
            notes = {**notes, EXTRACT_SECONDS: (before or 0) + self.seconds}
        return RunRecord(
            manifest=scan.source.name,
            fingerprint=spec.fingerprint,
            finished_ns=time.time_ns(),
            n_samples=scan.n_samples,
            n_extracted=n_written,
            n_cached=scan.n_samples - n_written - n_bad,
            n_bad=n_bad,
            seconds=self.seconds,
            engine=stage.engine_name or (earlier.engine if earlier else ""),
            notes={**(earlier.notes if earlier else {}), **notes},
            tag=self.stream.options.tag.or_else(last.tag if last else NO_TAG),
        )

    def _earlier(self, spec: FeatureSpec) -> RunRecord | None:
        """Return the record of the last run: its engine, the rows' drift, their tag."""
        try:
            return self.store.read_run(spec.fingerprint, self.stream.scan.source.name)
        except CacheFormatError:
            return None
