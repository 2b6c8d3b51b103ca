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
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ...cache import FeatureStore, RunRecord
from ...cache.errors import CacheFormatError, ImageError
from ...cache.records.run_record import read_run
from ..images.decode import decode
from ..pipeline.groups import Group, group_plans
from ..plan import Plan
from ..run_options import RunOptions
from ..sources import Source
from . import Engine, choose_engine, run_rows
from .drift import Drift, measure
from .model_folder import model_folder

N_IMAGES = 16
MAX_TRIES = 64
FORMATS = ("float32", "bfloat16", "float16")


@dataclass(frozen=True)
class Settled:
    """A plan whose precision is fixed, with the reason.

    Attributes
    ----------
    plan : Plan
    why : str
        One sentence for people; empty where the precision was asked for.
    drift : Drift or None
        What was measured of its precision.
    """

    plan: Plan
    why: str = ""
    drift: Drift | None = None


def settle(
    plans: Sequence[Plan],
    source: Source,
    store: FeatureStore,
    options: RunOptions,
    say: Callable[[str], None],
) -> list[Settled]:
    """Fix the precision of every plan; those that are not open stay as they are."""
    settled = [
        _from_cache(plan, source.name, store, options.max_drift) if plan.is_open else Settled(plan)
        for plan in plans
    ]
    open_ = [i for i, found in enumerate(settled) if found.plan.is_open]
    for group in group_plans([plans[i] for i in open_]):
        for member, found in zip(group.members, _decide(group, source, options, say), strict=True):
            settled[open_[member]] = found
    return settled


def _from_cache(plan: Plan, source_name: str, store: FeatureStore, max_drift: float) -> Settled:
    """Return the precision of the newest features of this source that keep the contract."""
    found: list[tuple[RunRecord, str]] = []
    for precision in FORMATS:
        spec = replace(plan.spec, precision=precision)
        path = store.root / "sets" / spec.fingerprint / "runs" / f"{source_name}.json"
        try:
            record = read_run(path)
        except (OSError, CacheFormatError):
            continue
        drift = Drift.from_dict(record.notes.get("drift"))
        if precision == "float32" or (drift is not None and drift.within(max_drift)):
            found.append((record, precision))
    if not found:
        return Settled(plan)
    record, precision = max(found, key=lambda pair: pair[0].finished_ns)
    drift = Drift.from_dict(record.notes.get("drift"))
    why = f"{precision}: the cached features of this source have it"
    return Settled(plan.with_precision(precision), why, drift)


def _decide(
    group: Group, source: Source, options: RunOptions, say: Callable[[str], None]
) -> list[Settled]:
    choice = choose_engine(options.engine)
    if not choice.fast_formats:
        why = f"float32: {choice.engine} computes no format faster here"
        return [Settled(plan.with_precision("float32"), why) for plan in group.plans]
    folder = model_folder(group.network)
    note = f"drift-{choice.engine}-{source.name}"
    known = (folder.read_note(note) or {}).get("drifts")
    drifts = [d for d in map(Drift.from_dict, known) if d] if isinstance(known, list) else []
    if not any(drift.within(options.max_drift) for drift in drifts):
        drifts = _measure_all(group, source, options, choice.fast_formats)
        folder.write_note(note, {"drifts": [drift.to_dict() for drift in drifts]})
    return _verdict(group, drifts, options.max_drift, say)


def _verdict(
    group: Group, drifts: Sequence[Drift], max_drift: float, say: Callable[[str], None]
) -> list[Settled]:
    backbone = group.plans[0].record.name
    for drift in drifts:
        if drift.within(max_drift):
            why = f"{drift.precision}: {drift.describe(max_drift)}"
            say(f"{backbone}: {why}")
            return [Settled(p.with_precision(drift.precision), why, drift) for p in group.plans]
        say(f"{backbone}: not {drift.precision}: {drift.describe(max_drift)}")
    why = "float32: " + ("no faster format keeps the contract" if drifts else "nothing to measure")
    say(f"{backbone}: {why}")
    return [Settled(plan.with_precision("float32"), why) for plan in group.plans]


def _measure_all(
    group: Group, source: Source, options: RunOptions, formats: Sequence[str]
) -> list[Drift]:
    """Measure formats until one keeps the contract."""
    images = spread_images(source, group)
    if not len(images):
        return []
    exact = run_rows(_engine(group, "float32", options), images)
    drifts = []
    for precision in formats:
        fast = run_rows(_engine(group, precision, options), images)
        drifts.append(measure(precision, fast, exact))
        if drifts[-1].within(options.max_drift):
            break
    return drifts


def _engine(group: Group, precision: str, options: RunOptions) -> Engine:
    plans = tuple(plan.with_precision(precision) for plan in group.plans)
    return Group(plans, group.members).build_engine(options.engine, N_IMAGES)


def spread_images(source: Source, group: Group) -> NDArray[np.uint8]:
    """Return at most ``N_IMAGES`` readable images of ``source``, spread over all of it."""
    found: list[NDArray[np.uint8]] = []
    for index in _spread(len(source.listing())):
        try:
            found.extend(decode(source.read(index), [group.geometry]))
        except (OSError, ImageError):
            continue
        if len(found) == N_IMAGES:
            break
    height, width = group.network.image_size
    return np.stack(found) if found else np.zeros((0, height, width, 3), np.uint8)


def _spread(n_samples: int) -> list[int]:
    """Return places to try: first ``N_IMAGES`` even steps through a source, then those between."""
    places = np.linspace(0, max(0, n_samples - 1), min(n_samples, MAX_TRIES)).astype(np.int64)
    step = max(1, len(places) // N_IMAGES)
    return [int(place) for start in range(step) for place in places[start::step]]
