"""What an extraction would do, and about how long it would take; nothing is written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..cache import FeatureSpec, FeatureStore
from ..cache.records.stored import StoredFeatures
from .doctor import examine
from .extract import earlier_failures, prepare
from .pipeline.pending import PendingRows
from .pipeline.scan import Scan
from .plan import Plan, merge_plans
from .run_options import LogObserver, Observer, RunOptions
from .sources import Source

TELLING_ROWS = 100
"""Rows that a run must have extracted, so that its start-up does not decide its rate."""


@dataclass(frozen=True)
class SetForecast:
    """What an extraction would add to one set of features.

    Attributes
    ----------
    fingerprint, backbone, layer, precision : str
    n_cached : int
        Images whose row is known to be there.
    n_features : int or None
        Width of a row; None where it is not known before the first image is computed.
    n_bytes : int or None
        Of the new rows, if every image that would be read is a new one.
    """

    fingerprint: str
    backbone: str
    layer: str
    precision: str
    n_cached: int
    n_features: int | None
    n_bytes: int | None


@dataclass(frozen=True)
class Forecast:
    """What an extraction would do.

    Attributes
    ----------
    sets : tuple of SetForecast
    n_images : int
    n_done : int
        Images with a row in every set.
    n_failed : int
        Images that could not be decoded before, and are not tried again.
    n_to_read : int
        All others. Those that were not met before may turn out to be in the cache.
    n_unknown : int
        Those of them that were never read, or have changed since.
    n_bytes_to_read : int or None
        Of their files; None where the source does not know its files' sizes.
    images_per_second : float or None
        An estimate; None where nothing is to do.
    basis : str
        What the estimate rests on.
    seconds : float
        An estimate, beside the start.
    """

    sets: tuple[SetForecast, ...]
    n_images: int
    n_done: int
    n_failed: int
    n_to_read: int
    n_unknown: int
    n_bytes_to_read: int | None
    images_per_second: float | None
    basis: str
    seconds: float


def forecast(
    source: Source,
    plans: Sequence[Plan],
    store: FeatureStore,
    options: RunOptions | None = None,
    observer: Observer | None = None,
) -> Forecast:
    """Say what ``extract`` would do with the same arguments.

    The rate is that of the last extraction of the same features in this cache; where there is none,
    it is measured on some images.

    Raises
    ------
    FeatxError
        As ``extract`` before its first image, and ``examine``.
    """
    options, observer = options or RunOptions(), observer or LogObserver()
    scan, resolved, _ = prepare(source, plans, store, options, observer)
    merged = merge_plans(resolved)
    specs = [spec for plan in merged for spec in plan.specs]
    tried = earlier_failures(store, scan.source.name, options)
    failed = {} if options.retry_failed else tried
    pending = PendingRows([store.open_set(spec) for spec in specs], scan.digests.copy(), failed)
    n_to_read = int(pending.must_read.sum())
    n_done = int(pending.has_every_row().sum())
    rate, basis = None, ""
    if n_to_read:
        rate, basis = _rate(scan.source, merged, store, options)
    return Forecast(
        sets=tuple(
            _set_forecast(plan, spec, store, scan, n_to_read)
            for plan in merged
            for spec in plan.specs
        ),
        n_images=scan.n_samples,
        n_done=n_done,
        n_failed=scan.n_samples - n_to_read - n_done,
        n_to_read=n_to_read,
        n_unknown=int((~scan.digests.any(axis=1)).sum()),
        n_bytes_to_read=_file_bytes(scan, pending),
        images_per_second=rate,
        basis=basis,
        seconds=n_to_read / rate if rate else 0.0,
    )


def _set_forecast(
    plan: Plan, spec: FeatureSpec, store: FeatureStore, scan: Scan, n_to_read: int
) -> SetForecast:
    shards, record = store.open_set(spec), plan.record
    n_cached = int((shards.index.find(scan.digests) >= 0).sum())
    is_default = (spec.layer, spec.pool) == (record.layer, record.pool)
    is_default &= spec.image_size == (record.image_size, record.image_size) or spec.pool == "avg"
    width = shards.n_features if shards.shards else record.n_features if is_default else None
    row_bytes = None if width is None else width * np.dtype(spec.storage).itemsize
    n_bytes = None if row_bytes is None else row_bytes * min(n_to_read, scan.n_samples - n_cached)
    precision, fingerprint = spec.precision, spec.fingerprint
    return SetForecast(fingerprint, spec.backbone, spec.layer, precision, n_cached, width, n_bytes)


def _file_bytes(scan: Scan, pending: PendingRows) -> int | None:
    sizes = scan.stamps[pending.must_read, 0]
    return int(sizes.sum()) if sizes.all() else None


def _rate(
    source: Source, plans: Sequence[Plan], store: FeatureStore, options: RunOptions
) -> tuple[float, str]:
    """Return images/s for one image under all plans, and what that rests on.

    What a view costs was not measured apart: views are measured now, all of a network alike.
    """
    stored = store.list_features()
    remembered = [_last_telling_run(plan, stored) for plan in plans]
    if all(remembered) and not any(plan.spec.view for plan in plans):
        runs = [features.record for features in remembered if features]
        names = dict.fromkeys(features.name for features in remembered if features)
        seconds = sum(run.seconds / run.n_extracted for run in runs)
        return 1 / seconds, f"as in the extraction of {', '.join(names)}"
    # The last plan of a network is a view where there is one: its decoding takes longer.
    networks = {plan.original.specs: plan for plan in plans}
    n_passes = Counter(plan.original.specs for plan in plans)
    rates = {n: examine(source, plan, store, options).rates for n, plan in networks.items()}
    infer = sum(n_passes[network] / rate.inference for network, rate in rates.items())
    slowest = max(infer, *(1 / min(r.read, r.decode, r.write) for r in rates.values()))
    return 1 / slowest, "measured now on some images"


def _last_telling_run(plan: Plan, stored: Sequence[StoredFeatures]) -> StoredFeatures | None:
    fingerprints = {spec.fingerprint for spec in plan.specs}
    for features in stored:
        record = features.record
        is_telling = record.n_extracted >= TELLING_ROWS and record.seconds > 0
        if record.fingerprint in fingerprints and record.engine and is_telling:
            return features
    return None
