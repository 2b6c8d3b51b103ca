"""Trained on one kind of machine, scored on another: how far apart their features are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from ...cache.errors import ImageError
from ...extractor.engines import run_rows
from ...extractor.engines.drift import Drift, measure
from ...extractor.images.decode import decode, strict_images
from ...extractor.plan import Plan
from ...extractor.sources import Source

N_IMAGES = 8
MAX_TRIES = 64
REFERENCE = "keras"


@dataclass(frozen=True)
class Crossing:
    """The drift of this machine's features from the definition that all machines share.

    Attributes
    ----------
    trained_on, scored_with : str
        Names of the engines.
    drift : Drift
        Of this machine's engine from Keras in float32, on the source's first readable images.
    """

    trained_on: str
    scored_with: str
    drift: Drift

    def describe(self) -> str:
        """Return one sentence for people."""
        drift = self.drift
        return (
            f"trained on features of {self.trained_on}, scoring with {self.scored_with}: cosine to "
            f"Keras in float32 on the first {drift.n_images} images: median {drift.median:.6f}, "
            f"worst {drift.worst:.6f}"
        )


def measure_crossing(
    plan: Plan, source: Source, trained_on: str, engine: str = "auto"
) -> Crossing | None:
    """Measure this machine's engine where it is not the one that the model was trained with.

    Returns None where it is the same one, where that is not known, or where no image can be read.

    Parameters
    ----------
    plan : Plan
    source : Source
    trained_on : str
        Name of the engine that made the training features; may be empty.
    engine : str
        As in ``RunOptions``.
    """
    if not trained_on:
        return None
    with strict_images():
        images = list(islice(_first(source, plan), N_IMAGES))
    if not images:
        return None
    here = plan.build_engine(len(images), engine)
    if here.name == trained_on:
        return None
    pixels = np.stack(images)
    exact = plan.with_precision("float32").build_engine(len(images), REFERENCE)
    drift = measure(plan.spec.precision, run_rows(here, pixels), run_rows(exact, pixels))
    return Crossing(trained_on, here.name, drift)


def _first(source: Source, plan: Plan) -> Iterator[NDArray[np.uint8]]:
    """Yield the first images that can be read, as the backbone sees them."""
    for index in range(min(len(source.listing()), MAX_TRIES)):
        try:
            yield decode(source.read(index), [plan.geometry])[0]
        except (OSError, ImageError):
            continue
