"""Which number format a run under ``--precision auto`` computes in.

The answer decides the fingerprint, so it must come before anything is computed. It is this
machine's decision about the network (see ``decide``), whatever the source. The only exception are
features that an earlier featx made. It decided for each source apart, or did not know that a
processor computes bfloat16 fast. They go on as they are, so that no image is extracted again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...cache import PRECISIONS, FeatureSpec, FeatureStore
from ...cache.errors import CacheError, CacheFormatError
from ...cache.manifest import DIGEST_BYTES
from ...cache.records.run_record import EXTRACT, read_run
from ..pipeline.sample_images import spread_indices
from ..pipeline.scan import Scan
from ..plan import ASKED_FOR, CALIBRATED, RULE, Plan
from ..run_options import RunOptions
from ..sources import digest_of
from .decide import EXACT, Decision, decide
from .drift import Drift

N_SAMPLED = 32
EARLIER = "as the cached features of these images, whose precision an earlier featx chose"


def resolve_precision(
    plans: Sequence[Plan],
    scan: Scan,
    store: FeatureStore,
    options: RunOptions,
    say: Callable[[str], object],
) -> list[Plan]:
    """Choose the precision of every plan that is open; the others stay as they are.

    Parameters
    ----------
    plans : sequence of Plan
        Each of one layer and pooling, so that a layer has the same precision alone and with others.
        Views have the precision of the images themselves.
    scan : Scan
    store : FeatureStore
    options : RunOptions
    say : callable
        Told what was decided and why.
    """
    choices: dict[FeatureSpec, tuple[str, str, str]] = {}
    for plan in (plan.original for plan in plans):
        if plan.is_open and plan.spec not in choices:
            decision = decide(plan, options.engine, options.max_drift, say)
            cached = _CachedFormats(plan, scan, store, options.max_drift)
            choices[plan.spec] = _resolve(plan, decision, cached, say)
    return [
        plan.with_precision(*choices[plan.original.spec]) if plan.is_open else plan
        for plan in plans
    ]


def _resolve(
    plan: Plan, decision: Decision, cached: _CachedFormats, say: Callable[[str], object]
) -> tuple[str, str, str]:
    """Return the precision that was decided, or that earlier features have, its reason and rule."""
    name, decided = plan.record.name, decision.precision
    others = [precision for precision in PRECISIONS if precision != decided]
    for precision in others:
        if cached.is_earlier(precision) and cached.has_most(precision, than=decided):
            say(
                f"{name}: {precision}, {EARLIER}. Other images get {decided} on this machine; "
                f"--precision {decided} extracts these in it, too"
            )
            return precision, EARLIER, ""
    for precision in filter(cached.has_run, others):
        say(f"{name}: {precision} features of this source are cached: --precision {precision}")
    return decision.precision, decision.why, CALIBRATED


@dataclass(frozen=True)
class _CachedFormats:
    """The features of a source that a cache holds under an open plan, by their precision."""

    plan: Plan
    scan: Scan
    store: FeatureStore
    max_drift: float

    def is_earlier(self, precision: str) -> bool:
        """Tell whether an earlier featx chose this precision for some source in the cache."""
        paths = self.store.layout.run_paths(self._spec(precision).fingerprint)
        return any(self._is_earlier(path, precision) for path in paths)

    def _is_earlier(self, path: Path, precision: str) -> bool:
        try:
            record = read_run(path)
        except (OSError, CacheFormatError):
            return False
        notes = record.notes
        was_asked_for = str(notes.get("precision", "")).endswith(ASKED_FOR)
        if record.kind != EXTRACT or notes.get(RULE) == CALIBRATED or was_asked_for:
            return False
        drift = Drift.from_dict(notes.get("drift"))
        return precision == EXACT or (drift is not None and drift.within(self.max_drift))

    def has_most(self, precision: str, than: str) -> bool:
        """Tell whether most images have features in this precision, and fewer in ``than``."""
        n_cached = self._n_cached(precision)
        return 2 * n_cached > len(self._digests) and n_cached > self._n_cached(than)

    def has_run(self, precision: str) -> bool:
        """Tell whether an extraction of this very source has finished in this precision."""
        return self.store.layout.run(
            self._spec(precision).fingerprint, self.scan.source.name
        ).exists()

    def _spec(self, precision: str) -> FeatureSpec:
        return replace(self.plan.spec, precision=precision)

    def _n_cached(self, precision: str) -> int:
        """Return how many of some images of the source have features in a precision."""
        try:
            rows = self.store.open_set(self._spec(precision)).index.find(self._digests)
        except CacheError:
            return 0
        return int((rows >= 0).sum())

    @cached_property
    def _digests(self) -> NDArray[np.uint8]:
        """The digests ``(n, 32)`` of images from all over the source."""
        digests = []
        for index in spread_indices(self.scan.n_samples, N_SAMPLED):
            digest = self.scan.digests[index]
            if not digest.any():
                try:
                    digest = np.frombuffer(digest_of(self.scan.source.read(index)), np.uint8)
                except OSError:
                    continue
            digests.append(digest)
        return np.stack(digests) if digests else np.zeros((0, DIGEST_BYTES), np.uint8)
