"""FeatureBatch: what the extractor hands to the cache."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import ConfigError
from .manifest import DIGEST_BYTES


@dataclass(frozen=True)
class FeatureBatch:
    """Rows of features with the digests of the images they come from.

    Attributes
    ----------
    digests : ndarray of uint8, shape (b, 32)
    X : ndarray of float, shape (b, d)

    Raises
    ------
    ValueError
        Shapes disagree, or a row is not finite.
    """

    digests: NDArray[np.uint8]
    X: NDArray[Any]

    def __post_init__(self) -> None:
        if self.X.ndim != 2 or self.digests.shape != (len(self.X), DIGEST_BYTES):
            raise ValueError(f"digests {self.digests.shape} do not fit X {self.X.shape}")
        if not np.isfinite(self.X).all():
            raise ValueError("a feature is NaN or infinite")

    def __len__(self) -> int:
        return len(self.X)


def to_storage(X: NDArray[Any], storage: str) -> NDArray[Any]:
    """Return ``X`` in the number format ``storage``.

    Raises
    ------
    ConfigError
        A number is too large for the format (65,504 is the largest of float16).
    """
    limit = float(np.finfo(storage).max)
    largest = float(np.abs(X).max(initial=0.0)) if X.dtype != storage else 0.0
    if largest > limit:
        raise ConfigError(
            f"a feature of {largest:.6g} does not fit {storage}, whose largest number is "
            f"{limit:.6g}: store float32 instead (--storage float32)"
        )
    return X.astype(storage, copy=False)
