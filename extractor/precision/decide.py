"""The decision under ``--precision auto``: the fastest format whose drift is small enough.

It is made once for a network, an engine and a kind of processor, on the calibration set, and never
on the images at hand, so that all sources have features of the same fingerprint.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..engines import EngineRecord, choose_engine, run_rows
from ..engines.base import CPU_BATCHES
from ..engines.choose import with_accelerators
from ..machine.hardware import this_machine
from ..plan import Plan
from .calibration import calibration_images
from .drift import CALIBRATION_SHARE, Drift, measure
from .note import drift_note

BATCH_SIZE = CPU_BATCHES.default
"""That of short runs, whose compiled network serves again."""

EXACT = "float32"


class Decision(NamedTuple):
    """A precision, and why it is that one."""

    precision: str
    why: str


def decide(plan: Plan, engine: str, max_drift: float, say: Callable[[str], object]) -> Decision:
    """Return the precision for a plan of one layer and pooling; the same for every source.

    Parameters
    ----------
    plan : Plan
    engine : str
        As in ``RunOptions``.
    max_drift : float
        What a run is held to; on the calibration set it is ``CALIBRATION_SHARE`` of that.
    say : callable
        Told how the decision was made.
    """
    record, _ = choose_engine(engine, format=plan.record.format)
    backbone, limit = plan.record.name, CALIBRATION_SHARE * max_drift
    drifts = _drifts(plan, record, engine, limit, say)
    if not drifts:
        return Decision(EXACT, f"{record.name} computes no format faster here")
    for drift in drifts:
        why = drift.describe(limit, "calibration pictures")
        if drift.within(limit):
            say(f"{backbone}: {drift.precision}: {why}")
            return Decision(drift.precision, why)
        say(f"{backbone}: not {drift.precision}: {why}")
    say(f"{backbone}: {EXACT}: no faster format keeps the contract")
    return Decision(EXACT, "no faster format keeps the contract")


def _drifts(
    plan: Plan, record: EngineRecord, engine: str, limit: float, say: Callable[[str], object]
) -> list[Drift]:
    """Return the drift of fast formats, fastest first, at least to one that is within ``limit``."""
    machine = with_accelerators(this_machine())
    note = drift_note(plan.network, record, machine)
    drifts = note.read()
    if any(drift.within(limit) for drift in drifts):  # no library need be loaded to know more
        return drifts
    formats = record.fast_precisions(machine)
    missing = [name for name in formats if name not in {drift.precision for drift in drifts}]
    if missing:
        say(f"{plan.record.name}: measuring {' and '.join(missing)}, once on this machine")
        drifts = note.keep(drifts + _measure(plan, record, missing, engine, limit))
    return drifts


def _measure(
    plan: Plan, record: EngineRecord, formats: list[str], engine: str, limit: float
) -> list[Drift]:
    images = calibration_images(plan.network.image_size)
    exact: tuple[NDArray[np.float32], ...] = ()
    drifts: list[Drift] = []
    for precision in formats:
        fast = plan.with_precision(precision).build_engine(BATCH_SIZE, engine)
        drift = record.measured_drift and record.measured_drift(plan.network, precision)
        if drift is None:
            exact = exact or run_rows(
                plan.with_precision(EXACT).build_engine(BATCH_SIZE, engine), images
            )
            drift = measure(precision, run_rows(fast, images), exact)
        drifts.append(drift)
        if drift.within(limit):
            break
    return drifts
