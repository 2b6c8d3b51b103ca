"""Which number format a run under ``--precision auto`` computes in.

The answer decides the fingerprint, so it must come before anything is computed, and the same source
must get the same answer tomorrow. Three places are asked, in this order:

1. The cache: features of this source that are there already go on in the precision they have.
2. This machine's notes: what an interrupted run measured on this source.
3. Images of the source itself, before the run: fast formats are measured against float32, fastest
   first.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from ...cache import PRECISIONS, FeatureSpec, FeatureStore, RunRecord
from ...cache.errors import CacheFormatError
from ...cache.records.run_record import read_run
from ..hardware import this_machine
from ..pipeline.sample_images import sample_images
from ..pipeline.scan import Scan
from ..plan import Plan, merge_plans
from ..run_options import RunOptions
from . import Engine, choose_engine, run_rows
from .drift import Drift, measure
from .model_folder import model_folder

N_IMAGES = 16
Decision = tuple[str, str, Drift | None]
"""A precision, the reason, and what was measured of it."""


def resolve_precision(
    plans: Sequence[Plan],
    scan: Scan,
    store: FeatureStore,
    options: RunOptions,
    say: Callable[[str], None],
) -> list[Plan]:
    """Choose the precision of every plan that is open; the others stay as they are."""
    plans = [_from_cache(plan, scan.source.name, store, options.max_drift) for plan in plans]
    decisions: dict[FeatureSpec, Decision] = {}
    for plan in merge_plans([plan for plan in plans if plan.is_open]):
        decisions |= dict.fromkeys(plan.specs, _decide(plan, scan, options, say))
    return [plan.with_precision(*decisions[plan.spec]) if plan.is_open else plan for plan in plans]


def _from_cache(plan: Plan, source_name: str, store: FeatureStore, max_drift: float) -> Plan:
    """Give an open plan the precision of this source's newest features that keep the contract."""
    if not plan.is_open:
        return plan
    records: list[tuple[RunRecord, str]] = []
    for precision in PRECISIONS:
        spec = replace(plan.spec, precision=precision)
        path = store.root / "sets" / spec.fingerprint / "runs" / f"{source_name}.json"
        try:
            record = read_run(path)
        except (OSError, CacheFormatError):
            continue
        drift = Drift.from_dict(record.notes.get("drift"))
        if precision == "float32" or (drift is not None and drift.within(max_drift)):
            records.append((record, precision))
    if not records:
        return plan
    record, precision = max(records, key=lambda pair: pair[0].finished_ns)
    drift = Drift.from_dict(record.notes.get("drift"))
    return plan.with_precision(precision, "the cached features of this source have it", drift)


def _decide(plan: Plan, scan: Scan, options: RunOptions, say: Callable[[str], None]) -> Decision:
    record, _ = choose_engine(options.engine)
    fast_precisions = record.fast_precisions(this_machine())
    if not fast_precisions:
        return "float32", f"{record.name} computes no format faster here", None
    folder = model_folder(plan.network)
    note = f"drift-{record.name}-{scan.source.name}"
    noted = (folder.read_note(note) or {}).get("drifts")
    drifts = [d for d in map(Drift.from_dict, noted) if d] if isinstance(noted, list) else []
    if not any(drift.within(options.max_drift) for drift in drifts):
        drifts = _measure_all(plan, scan, options, fast_precisions)
        folder.write_note(note, {"drifts": [drift.to_dict() for drift in drifts]})
    return _verdict(plan, drifts, options.max_drift, say)


def _verdict(
    plan: Plan, drifts: Sequence[Drift], max_drift: float, say: Callable[[str], None]
) -> Decision:
    backbone = plan.record.name
    for drift in drifts:
        if drift.within(max_drift):
            why = drift.describe(max_drift)
            say(f"{backbone}: {drift.precision}: {why}")
            return drift.precision, why, drift
        say(f"{backbone}: not {drift.precision}: {drift.describe(max_drift)}")
    why = "no faster format keeps the contract" if drifts else "nothing to measure"
    say(f"{backbone}: float32: {why}")
    return "float32", why, None


def _measure_all(
    plan: Plan, scan: Scan, options: RunOptions, formats: Sequence[str]
) -> list[Drift]:
    """Measure formats until one keeps the contract."""
    images = sample_images(scan, plan.geometry, N_IMAGES)
    if not len(images):
        return []
    exact = run_rows(_engine(plan, "float32", options), images)
    drifts = []
    for precision in formats:
        fast = run_rows(_engine(plan, precision, options), images)
        drifts.append(measure(precision, fast, exact))
        if drifts[-1].within(options.max_drift):
            break
    return drifts


def _engine(plan: Plan, precision: str, options: RunOptions) -> Engine:
    return plan.with_precision(precision).build_engine(N_IMAGES, options.engine)
