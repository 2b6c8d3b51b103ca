"""Extraction by several workers: each does parts as ``--shard`` does; then they are joined."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...cache import FeatureSpec, FeatureStore
from ...cache.errors import ConfigError
from ...cache.records.run_record import EXTRACT_SECONDS
from ..extract import earlier_failures, extract, prepare
from ..extract_report import ExtractReport, bottleneck_sentence
from ..join import join_parts
from ..parts import Part, count_in_blocks
from ..pipeline.pending import PendingRows
from ..pipeline.rates import StageSeconds
from ..pipeline.stage_pool import StagePool
from ..plan import FeatureOptions, Plan, make_plan, merge_plans
from ..run_options import Observer, RunOptions
from ..sources import Source
from ..sources.address import SourceAddress, listing_digest
from .driver import SaysOnce
from .share import Shared, share

EXACT = "float32"


@dataclass(frozen=True)
class SettledPlan:
    """What all workers compute, and why."""

    specs: tuple[FeatureSpec, ...]
    notes: tuple[dict[str, Any], ...]

    def close(self, plan: Plan) -> Plan:
        """Return this machine's plan with nothing left open.

        Raises
        ------
        ConfigError
            This machine would compute other features.
        """
        mine = tuple(
            replace(spec, precision=settled.precision, pixel_range=settled.pixel_range)
            for spec, settled in zip(plan.specs, self.specs, strict=True)
        )
        if mine != self.specs:
            raise ConfigError(
                f"{plan.record.name} has other weights or settings here than where the run was "
                "started, so the features would differ. Every machine needs the same files under "
                "the same paths"
            )
        return replace(plan, specs=mine, notes=self.notes, is_open=False, is_range_open=False)


@dataclass(frozen=True)
class Settled:
    """What all workers of an extraction agree on.

    Attributes
    ----------
    plans : tuple of SettledPlan
    batch_sizes : dict of str to int
    warnings : tuple of str
    n_to_read : ndarray of uint8, shape (n_blocks,)
        Images of each block that the cache did not hold when the run began: it goes to all workers.
    """

    plans: tuple[SettledPlan, ...]
    batch_sizes: dict[str, int]
    warnings: tuple[str, ...]
    n_to_read: NDArray[np.uint8]


@dataclass(frozen=True)
class PartCounts:
    """What came of a part.

    Attributes
    ----------
    n_extracted : tuple of int
        Rows written, for each set.
    stages : StageSeconds
    threads : (int, int)
        That read and decode, and that run the engine.
    warnings : tuple of str
    remarks : dict of str to int
    """

    n_extracted: tuple[int, ...]
    stages: StageSeconds
    threads: tuple[int, int]
    warnings: tuple[str, ...]
    remarks: dict[str, int]


@dataclass(frozen=True)
class ExtractionWork:
    """An extraction as it travels to workers.

    Attributes
    ----------
    address : SourceAddress
    ids_digest : str
        Of the source's listing: every machine must see the same images.
    features : tuple of FeatureOptions
    cache : str
    options : RunOptions
    """

    address: SourceAddress
    ids_digest: str
    features: tuple[FeatureOptions, ...]
    cache: str
    options: RunOptions

    def n_left(self, settled: Settled, part: Part) -> int:
        """Return how many images of a part the cache does not hold yet."""
        return int(settled.n_to_read[part.blocks].sum())

    def begin(self, settled: Settled | None, observer: Observer) -> ExtractionTask:
        """Open the source and the cache here; the first worker settles what is left open."""
        source = same_source(self.address, self.ids_digest)
        plans = [make_plan(options) for options in self.features]
        store = FeatureStore(self.cache, self.options.compression)
        if settled is None:
            settled = self._settle(source, plans, store, observer)
        closed = [one.close(plan) for one, plan in zip(settled.plans, plans, strict=True)]
        stages = StagePool(len(source.listing()), settled.batch_sizes)
        options = replace(self.options, stages=stages)
        return ExtractionTask(settled, source, closed, store, options, observer)

    def _settle(
        self, source: Source, plans: Sequence[Plan], store: FeatureStore, observer: Observer
    ) -> Settled:
        scan, resolved, warnings = prepare(source, plans, store, self.options, observer)
        stages = StagePool(scan.n_samples)
        for plan in merge_plans(resolved):
            stages.measure(plan, self.options)
        settled = tuple(SettledPlan(plan.specs, plan.notes) for plan in resolved)
        tried = earlier_failures(store, source.name, self.options)
        failed = {} if self.options.retry_failed else tried
        sets = [store.open_set(spec) for plan in resolved for spec in plan.specs]
        must_read = PendingRows(sets, scan.digests, failed).must_read
        return Settled(settled, stages.batch_sizes, warnings, count_in_blocks(must_read))


@dataclass(frozen=True)
class ExtractionTask:
    """An extraction in one worker."""

    settled: Settled
    source: Source
    plans: Sequence[Plan]
    store: FeatureStore
    options: RunOptions
    observer: Observer

    def run(self, part: Part) -> PartCounts:
        """Extract a part, as ``featx extract --shard`` does."""
        options = replace(self.options, part=part)
        reports = extract(self.source, self.plans, self.store, options, self.observer)
        stages = self.options.stages
        return PartCounts(
            tuple(report.record.n_extracted for report in reports),
            reports[0].stages,
            (options.n_workers, stages.n_parallel if stages else 1),
            reports[0].warnings,
            reports[0].remarks,
        )


def same_source(address: SourceAddress, ids_digest: str) -> Source:
    """Open a source in a worker; raises ConfigError where it has other images than the driver's."""
    source = address.open()
    if listing_digest(source.listing()) != ids_digest:
        raise ConfigError(
            f"{source.location} holds other images here than where the run was started, or has "
            "changed since. Every machine needs the same source under the same path; run the "
            "command again"
        )
    return source


def extract_by_workers(
    address: SourceAddress,
    features: Sequence[FeatureOptions],
    cache: str | Path,
    options: RunOptions,
    observer: Observer,
) -> list[ExtractReport]:
    """Bring the features of a source into a cache with several workers (see ``extract``).

    Raises
    ------
    IncompleteError
        Parts did not finish, or images are missing: they are named, and everything else is saved.
    FeatxError
        See ``extract``.
    """
    workers = options.shared_by
    if workers is None:
        raise ConfigError("no workers are named")
    started = time.perf_counter()
    plans = [make_plan(options) for options in features]
    source, once = address.open(), SaysOnce(observer)
    names = " + ".join(dict.fromkeys(options.backbone for options in features))
    work = ExtractionWork(
        address,
        listing_digest(source.listing()),
        tuple(features),
        str(cache),
        replace(options, shared_by=None, max_bad=None),
    )
    shared = share(work, workers, len(source.listing()), f"{names}: extracting", once)
    plans = [one.close(plan) for one, plan in zip(shared.settled.plans, plans, strict=True)]
    store = FeatureStore(cache, options.compression)
    reports = join_parts(source, plans, store, replace(options, shared_by=None), once)
    run = _WholeRun(shared, time.perf_counter() - started)
    return [run.counted(report, i, store) for i, report in enumerate(reports)]


@dataclass(frozen=True)
class _WholeRun:
    """What all workers did together."""

    shared: Shared
    seconds: float

    def counted(self, report: ExtractReport, number: int, store: FeatureStore) -> ExtractReport:
        """Return the report of one set with the rows that the workers wrote; note them."""
        record, results = report.record, self.shared.results
        n_extracted = sum(counts.n_extracted[number] for counts in results)
        if not n_extracted:
            return report
        sentence = self._bottleneck()
        notes = {**record.notes, EXTRACT_SECONDS: self.seconds}
        record = replace(
            record,
            n_extracted=n_extracted,
            n_cached=record.n_samples - record.n_bad - n_extracted,
            seconds=self.seconds,
            notes={**notes, **({"bottleneck": sentence} if sentence else {})},
        )
        store.write_run(record)
        warnings = (*self.shared.settled.warnings, *report.warnings)
        warnings = (*warnings, *(text for counts in results for text in counts.warnings))
        remarks = sum((Counter(counts.remarks) for counts in results), Counter[str]())
        return replace(
            report,
            record=record,
            stages=self._stages(),
            bottleneck=sentence,
            warnings=tuple(dict.fromkeys(warnings)),
            remarks=dict(remarks.most_common()),
        )

    def _stages(self) -> StageSeconds:
        stages = [vars(counts.stages) for counts in self.shared.results]
        return StageSeconds(**{name: sum(one[name] for one in stages) for name in stages[0]})

    def _bottleneck(self) -> str:
        results, seconds = self.shared.results, self._stages()
        n_images = sum(max(counts.n_extracted) for counts in results)
        n_decoding, n_parallel = (
            self.shared.n_workers * max(counts.threads[i] for counts in results) for i in (0, 1)
        )
        if not n_parallel or not seconds.are_telling:
            return ""
        is_exact = all(
            spec.precision == EXACT for one in self.shared.settled.plans for spec in one.specs
        )
        return bottleneck_sentence(
            n_images, seconds, (n_decoding, n_parallel), n_decoding, is_exact
        )
