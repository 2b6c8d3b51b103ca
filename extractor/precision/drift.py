"""How far a fast number format is from float32, and how far it may be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

MAX_DRIFT = 0.001
"""1 - cosine that the median row may have."""

CALIBRATION_SHARE = 0.5
"""The share of a run's allowed drift that a format may have on the calibration set.

The margin is for sources of another kind: median 0.9995 there stays above 0.999 elsewhere.
"""

WORST_FACTOR = 10
WORST_DRIFT = 0.01


@dataclass(frozen=True)
class Drift:
    """Cosines between rows of a fast precision and the same rows in float32.

    Attributes
    ----------
    precision : str
    median, worst : float
        Cosine of the median and of the worst row; of several layers, of the worst layer.
    n_images : int
    """

    precision: str
    median: float
    worst: float
    n_images: int

    def within(self, max_drift: float = MAX_DRIFT) -> bool:
        """Tell whether the contract holds: the median row, and no row far off."""
        worst_allowed = min(WORST_FACTOR * max_drift, WORST_DRIFT)
        return 1 - self.median <= max_drift and 1 - self.worst <= worst_allowed

    def describe(self, max_drift: float = MAX_DRIFT, images: str = "images") -> str:
        """Return one clause for people, with what the images are."""
        worst_allowed = 1 - min(WORST_FACTOR * max_drift, WORST_DRIFT)
        return (
            f"cosine to float32 on {self.n_images} {images}: median {self.median:.5f}, worst "
            f"{self.worst:.5f} (at least {1 - max_drift:g} and {worst_allowed:g})"
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the fields for a record."""
        return asdict(self)

    @classmethod
    def from_dict(cls, fields: Any) -> Drift | None:
        """Read what ``to_dict`` gave; None where it is something else."""
        try:
            return cls(**fields)
        except TypeError:
            return None


def measure(precision: str, fast: Sequence[NDArray[Any]], exact: Sequence[NDArray[Any]]) -> Drift:
    """Compare rows of a fast precision with those in float32.

    Parameters
    ----------
    precision : str
    fast, exact : sequence of ndarray, each (n, d)
        One array for each layer.
    """
    layers = [cosines(a, b) for a, b in zip(fast, exact, strict=True)]
    return Drift(
        precision,
        min(float(np.median(layer)) for layer in layers),
        min(float(layer.min()) for layer in layers),
        len(layers[0]),
    )


def cosines(a: NDArray[Any], b: NDArray[Any]) -> NDArray[np.float64]:
    """Return the cosine of each pair of rows; -1 where a row is not finite."""
    a, b = a.astype(np.float64), b.astype(np.float64)
    with np.errstate(invalid="ignore", over="ignore"):
        same = (a == b).all(axis=1)
        lengths = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
        products = (a * b).sum(axis=1)
        ratios = np.divide(products, lengths, out=np.zeros(len(a)), where=lengths > 0)
    ratios = np.where(same, 1.0, ratios)
    finite: NDArray[np.float64] = np.where(np.isfinite(ratios), ratios, -1.0)
    return finite
