"""How far an exported graph is from ``featx score``, on images of the bundled sample."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ....cache.errors import ModelError
from ....extractor.feature_plans import FeaturePlans
from ....extractor.images.decode import decode
from ....extractor.sources import open_sample
from ..model import Model

N_IMAGES = 16
TOLERANCE = 1e-4
# By how much float32 features of two engines may differ, relative to each feature, and how many
# such differences are tried. It moves a probability only where two neighbours are equally near.
ROUNDING = 1e-5
N_TRIALS = 8


@dataclass(frozen=True)
class Agreement:
    """The largest differences of any probability.

    Attributes
    ----------
    difference : float
        From ``featx score`` in float32, as the graph computes.
    drift : float or None
        From ``featx score`` in the model's precision, where that is not float32.
    """

    difference: float
    drift: float | None


def sample_images(plans: FeaturePlans) -> NDArray[np.uint8]:
    """Return images of the bundled sample as the backbone sees them, ``(n, h, w, 3)``."""
    source = open_sample()
    indices = np.linspace(0, len(source.listing()) - 1, N_IMAGES).astype(int)
    geometry = plans.geometries[0]
    return np.stack([decode(source.read(int(i)), [geometry])[0] for i in indices])


def measure(
    probabilities: NDArray[np.float32], model: Model, plans: FeaturePlans, images: NDArray[np.uint8]
) -> Agreement:
    """Compare a graph's ``probabilities`` of ``images`` with what ``featx score`` gives.

    Raises
    ------
    ModelError
        They differ by more than ``TOLERANCE`` and more than rounded features explain.
    """
    features = _features(plans.with_precision("float32"), images)
    expected = _predict(model, features)
    if probabilities.shape != expected.shape:
        raise ModelError(
            f"the graph gives an array {probabilities.shape}, expected {expected.shape}"
        )
    difference = np.abs(probabilities - expected).max(axis=1)
    excess = difference - TOLERANCE
    if not (excess <= 0).all() and not (excess <= _rounding_effect(model, features)).all():
        raise ModelError(
            f"the graph differs from featx score by {difference.max():.2g} in a probability "
            f"(allowed: {TOLERANCE:g}); nothing was written"
        )
    drift = None
    if {spec.precision for spec in plans.specs} != {"float32"}:
        drift = float(np.abs(probabilities - _predict(model, _features(plans, images))).max())
    return Agreement(float(difference.max()), drift)


def _features(plans: FeaturePlans, images: NDArray[np.uint8]) -> NDArray[np.float32]:
    return plans.compute([images] * len(plans.plans))


def _predict(model: Model, X: NDArray[np.float32]) -> NDArray[np.float64]:
    return model.decisive(model.predict_proba(X).astype(np.float64))


def _rounding_effect(model: Model, X: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return how far rounded features move each row's probabilities, ``(n,)``."""
    generator, expected = np.random.default_rng(0), _predict(model, X)
    effect = np.zeros(len(X))
    for _ in range(N_TRIALS):
        rounded = X * (1 + ROUNDING * generator.standard_normal(X.shape, np.float32))
        moved = np.abs(_predict(model, rounded) - expected).max(axis=1)
        effect = np.maximum(effect, moved)
    return effect
