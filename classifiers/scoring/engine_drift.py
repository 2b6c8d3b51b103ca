"""Trained with one engine, scored with another: how far apart their features are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ...extractor.pipeline.sample_images import sample_images
from ...extractor.pipeline.scan import Scan
from ...extractor.plan import Plan
from ...extractor.precision.drift import Drift
from ..models.pack import drift_from_definition

N_IMAGES = 8


@dataclass(frozen=True)
class EngineDrift:
    """The drift of this machine's features from the definition that all machines share.

    Attributes
    ----------
    trained_on, scored_with : str
        Names of the engines.
    drift : Drift or None
        Of this machine's engine from Keras in float32, on images from all over the source, or on
        pictures that came with the model; None where neither can be.
    """

    trained_on: str
    scored_with: str
    drift: Drift | None

    def describe(self) -> str:
        """Return one sentence for people."""
        drift = self.drift
        engines = f"trained on features of {self.trained_on}, scoring with {self.scored_with}"
        if drift is None:
            return f"{engines}: how far apart they are cannot be measured without Keras' backend"
        return (
            f"{engines}: cosine to Keras in float32 on {drift.n_images} images: median "
            f"{drift.median:.6f}, worst {drift.worst:.6f}"
        )


def worst_engine_drift(
    plans: Sequence[Plan], scan: Scan, trained_on: str, engine: str = "auto"
) -> EngineDrift | None:
    """Measure this machine's engines under several plans, and return the largest drift.

    See ``measure_engine_drift``; None where it gives None for each plan.
    """
    all_measured = [measure_engine_drift(plan, scan, trained_on, engine) for plan in plans]
    drifts = [measured for measured in all_measured if measured is not None]
    return min(drifts, key=lambda d: d.drift.median if d.drift else 1.0, default=None)


def measure_engine_drift(
    plan: Plan, scan: Scan, trained_on: str, engine: str = "auto"
) -> EngineDrift | None:
    """Measure this machine's engine where it is not the one that the model was trained with.

    Returns None where it is the same one, where that is not known, or where no image can be read.

    Parameters
    ----------
    plan : Plan
    scan : Scan
        Of the source that is scored.
    trained_on : str
        Name of the engine that made the training features; may be empty.
    engine : str
        As in ``RunOptions``.
    """
    if not trained_on:
        return None
    pixels = sample_images(scan, plan.geometry, N_IMAGES)
    if not len(pixels):
        return None
    here = plan.build_engine(len(pixels), engine)
    if here.name == trained_on:
        return None
    return EngineDrift(trained_on, here.name, drift_from_definition(plan, here, pixels))
