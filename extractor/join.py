"""The end of a job array: the parts of a source become one, if nothing is missing."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ..cache import FeatureSpec, FeatureStore, has_digest
from ..cache.errors import IncompleteError, TooManyBadImagesError
from ..cache.layout import REMARKS
from ..cache.records.run_record import EXTRACT_SECONDS
from .extract import earlier_failures, extract, prepare
from .extract_report import ExtractReport
from .parts import Part, incomplete
from .pipeline.pending import PendingRows
from .pipeline.scan import Scan
from .plan import Plan
from .run_options import LogObserver, Observer, RunOptions
from .sources import Source
from .sources.source import digest_of


def join_parts(
    source: Source,
    plans: Sequence[Plan],
    store: FeatureStore,
    options: RunOptions | None = None,
    observer: Observer | None = None,
) -> list[ExtractReport]:
    """Make one snapshot of the parts of ``source``; nothing is computed.

    Every image must have its features under all ``plans``, or have been found unreadable. The
    records of the parts go when that of the whole stands; the call can be repeated.

    Parameters
    ----------
    source : Source
    plans : sequence of Plan
        As those of the parts.
    store : FeatureStore
    options : RunOptions, optional
    observer : Observer, optional

    Raises
    ------
    IncompleteError
        Images are missing; ``report`` is a ``Missing``. Nothing is written.
    """
    options, observer = options or RunOptions(), observer or LogObserver()
    resolved = _complete_plans(source, plans, store, options, observer)
    parts = _all_parts(store, source.name)
    try:
        reports = extract(source, resolved, store, options, observer)
    except TooManyBadImagesError:  # the snapshot is written
        for part in parts:
            _forget(store, part)
        raise
    reports = [_noted(report, parts, store) for report in reports]
    for part in parts:
        _forget(store, part)
    return reports


def _complete_plans(
    source: Source,
    plans: Sequence[Plan],
    store: FeatureStore,
    options: RunOptions,
    observer: Observer,
) -> list[Plan]:
    """Return the plans with a precision; raises IncompleteError where images are missing."""
    scan, resolved, _ = prepare(source, plans, store, options, observer)
    specs = list(dict.fromkeys(spec for plan in resolved for spec in plan.specs))
    missing = _missing_rows(scan, store, specs, options)
    if len(missing):
        finished = _finished_parts(store, scan.source.name, specs)
        raise _incomplete(scan, missing, finished, specs)
    return resolved


def _noted(report: ExtractReport, parts: Sequence[str], store: FeatureStore) -> ExtractReport:
    """Return a report whose record says which engine the parts used, and how long they took."""
    records = [store.read_run(report.record.fingerprint, part) for part in parts]
    working = [record for record in records if record and record.n_extracted]
    if not working:
        return report
    notes = {k: v for k, v in working[0].notes.items() if k != "bottleneck"}
    notes[EXTRACT_SECONDS] = sum(record.extract_seconds or 0 for record in working)
    engines = dict.fromkeys(record.engine for record in working)
    record = replace(
        report.record, engine=" + ".join(engines), notes={**notes, **report.record.notes}
    )
    store.write_run(record)
    return replace(report, record=record)


def _all_parts(store: FeatureStore, name: str) -> list[str]:
    return [part for part in store.snapshot_names(name) if Part.of_name(part)]


def _finished_parts(store: FeatureStore, name: str, specs: Sequence[FeatureSpec]) -> list[Part]:
    """Return the parts whose run finished under all specs."""
    names = [
        part
        for part in _all_parts(store, name)
        if all(store.read_run(spec.fingerprint, part) for spec in specs)
    ]
    return sorted(part for part in map(Part.of_name, names) if part)


def _missing_rows(
    scan: Scan, store: FeatureStore, specs: Sequence[FeatureSpec], options: RunOptions
) -> NDArray[np.int64]:
    """Return the indices of the images that have neither features nor a reason for having none."""
    failed = earlier_failures(store, scan.source.name, options)
    names = store.snapshot_names(scan.source.name)
    unreadable = {bad.sample_id for name in names for bad in store.read_quarantine(name)}
    if not has_digest(scan.digests).all():
        _hash_again(scan, store, names)
    pending = PendingRows([store.open_set(spec) for spec in specs], scan.digests, failed)
    ids = scan.listing.sample_ids
    rows = np.flatnonzero(pending.must_read)
    return np.array([row for row in rows.tolist() if ids[row] not in unreadable], np.int64)


def _hash_again(scan: Scan, store: FeatureStore, snapshot_names: Sequence[str]) -> None:
    """Fill in the digests of images that a snapshot has and whose file may have changed since."""
    snapshots = filter(None, map(store.read_manifest, snapshot_names))
    extracted = {name for snapshot in snapshots for name in snapshot.sample_ids}
    ids = scan.listing.sample_ids
    for row in np.flatnonzero(~has_digest(scan.digests)).tolist():
        if ids[row] in extracted:
            with suppress(OSError):  # found unreadable by its part, or missing
                scan.digests[row] = np.frombuffer(digest_of(scan.source.read(row)), np.uint8)


def _incomplete(
    scan: Scan, missing: NDArray[np.int64], finished: Sequence[Part], specs: Sequence[FeatureSpec]
) -> IncompleteError:
    """Name the parts and images that are missing."""
    ids = [scan.listing.sample_ids[row] for row in missing.tolist()]
    form = ", ".join(f"{spec.backbone} in {spec.precision}" for spec in specs)
    return incomplete(
        f"of {scan.source.location} have no features yet",
        ids,
        scan.n_samples,
        finished,
        if_none=f"no part has finished as {form}: run each with --shard 1/N to N/N. ",
    )


def _forget(store: FeatureStore, part: str) -> None:
    """Remove the records of a part; its rows belong to the whole's snapshot now."""
    layout = store.layout
    for path in layout.run_paths():
        if path.stem == part:
            path.unlink(missing_ok=True)
    for path in (layout.manifest(part), layout.quarantine(part), layout.quarantine(part + REMARKS)):
        path.unlink(missing_ok=True)
