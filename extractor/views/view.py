"""View: which random variant of an image a backbone sees, the same on every machine."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...cache.errors import ConfigError
from ...cache.suggest import did_you_mean
from .rotation import rotate

VIEW_OPS = ("crop", "flip", "rotation", "brightness")
ALL_OPS = ",".join(VIEW_OPS)
LEAST_AREA = 0.6
"""Part of the image that a crop keeps at least."""

MAX_STRETCH = 4 / 3
"""Of a crop's width to its height, beside the image's own."""

MAX_DEGREES = 15.0
MAX_BRIGHTNESS = 0.2
"""A brightness is changed by at most this part of it."""


@dataclass(frozen=True)
class View:
    """One random variant of each image.

    What happens to an image depends on nothing but the view, its seed and the image's digest. An
    operation draws the same whichever others there are.

    Attributes
    ----------
    number : int
        Counts from 1; the original has no view.
    seed : int
    ops : tuple of str
        Of ``VIEW_OPS``, in that order.
    """

    number: int
    seed: int = 0
    ops: tuple[str, ...] = VIEW_OPS

    def cropped(self, pixels: NDArray[np.uint8], digest: bytes) -> NDArray[np.uint8]:
        """Return the part of an image ``(h, w, 3)`` that this view shows, before it is resized.

        Parameters
        ----------
        pixels : ndarray of uint8, shape (height, width, 3)
        digest : bytes
            Of the image's file.
        """
        if "crop" not in self.ops:
            return pixels
        left, top, right, bottom = self._crop_box(pixels.shape[1::-1], digest)
        return pixels[top:bottom, left:right]

    def altered(self, pixels: NDArray[np.uint8], digest: bytes) -> NDArray[np.uint8]:
        """Return an image rotated, mirrored and brighter or darker, as a backbone sees it.

        Parameters
        ----------
        pixels : ndarray of uint8, shape (height, width, 3)
            In the size of the backbone's input, of which fewer pixels are rotated than of a photo.
        digest : bytes
            Of the image's file.
        """
        if "rotation" in self.ops:
            pixels = rotate(pixels, MAX_DEGREES * (2 * next(self._draws(digest, "rotation")) - 1))
        if "flip" in self.ops and next(self._draws(digest, "flip")) < 0.5:
            pixels = pixels[:, ::-1]
        if "brightness" in self.ops:
            factor = 1 + MAX_BRIGHTNESS * (2 * next(self._draws(digest, "brightness")) - 1)
            values = [min(255, round(value * factor)) for value in range(256)]
            pixels = np.take(np.array(values, np.uint8), pixels)
        return np.ascontiguousarray(pixels)

    def _draws(self, digest: bytes, op: str) -> Iterator[float]:
        """Yield numbers of [0, 1) for one operation on one image."""
        key = f"{self.seed}:{self.number}:{op}:".encode("ascii") + digest
        drawn = hashlib.sha256(key).digest()
        for start in range(0, len(drawn), 8):
            yield (int.from_bytes(drawn[start : start + 8], "little") >> 11) / (1 << 53)

    def _crop_box(self, size: tuple[int, int], digest: bytes) -> tuple[int, int, int, int]:
        draws = self._draws(digest, "crop")
        area = LEAST_AREA + (1 - LEAST_AREA) * next(draws)
        stretch = math.sqrt(MAX_STRETCH ** (2 * next(draws) - 1))
        sides = (math.sqrt(area) * stretch, math.sqrt(area) / stretch)
        width, height = (
            max(1, min(whole, round(whole * side))) for whole, side in zip(size, sides, strict=True)
        )
        left = int(next(draws) * (size[0] - width + 1))
        top = int(next(draws) * (size[1] - height + 1))
        return left, top, left + width, top + height


def parse_ops(text: str) -> tuple[str, ...]:
    """Return operations that stand in a text with commas, each once, in the order of ``VIEW_OPS``.

    Raises
    ------
    ConfigError
        One of them is unknown, or there is none.
    """
    names = [name.strip() for name in text.split(",") if name.strip()]
    for name in names:
        if name not in VIEW_OPS:
            close = did_you_mean(name, VIEW_OPS)
            raise ConfigError(f"unknown operation {name!r} for views. {close}")
    if not names:
        raise ConfigError(f"views need an operation: one or more of {', '.join(VIEW_OPS)}")
    return tuple(op for op in VIEW_OPS if op in names)
