"""From an image of any shape to the one that a backbone sees."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from PIL import ImageColor

from ...cache.errors import ConfigError
from ...cache.spec import is_published
from ..views.view import View
from .published_resize import PublishedResize
from .resize import resize, resize_as_published

CROP_FRACTION = 0.875
DRAFT_MARGIN = 2.0
NO_DRAFT = 1 << 20
"""A side that no JPEG has: it is decoded whole."""


@dataclass(frozen=True)
class Geometry:
    """How an image becomes the one that a backbone sees.

    Attributes
    ----------
    height, width : int
        Pixels of the result.
    resize : str
        ``squash`` stretches the image to the size. ``crop`` keeps its shape and takes the middle:
        for a size of 224, what a resize of the short side to 256 and a centre crop of 224 would
        leave. ``pad`` keeps its shape and fills the rest with ``background``. These three are
        featx' own: bicubic, in one step. A published rule (see ``PublishedResize``) follows a
        backbone's own processor to the bit.
    background : str
        ``#rrggbb``; also what shows through transparent pixels.
    pixel_limits : tuple of float or None
        Values that become black and white in images of more than 8 bits; None stands for all that
        their format can hold.
    interpolation : str
        The filter of a published rule.
    view : View or None
        The random variant of each image that is taken; None takes the image itself.
    """

    height: int
    width: int
    resize: str = "squash"
    background: str = "#ffffff"
    pixel_limits: tuple[float, float] | None = None
    interpolation: str = "bicubic"
    view: View | None = None

    def apply(self, pixels: NDArray[np.uint8], digest: bytes = b"") -> NDArray[np.uint8]:
        """Return ``pixels`` ``(h, w, 3)`` in this geometry, uint8 ``(height, width, 3)``.

        A view is drawn by the ``digest`` of the image's bytes.
        """
        if self.view is None:
            return self._resized(pixels)
        shown = self._resized(self.view.cropped(pixels, digest))
        return self.view.altered(shown, digest)

    def _resized(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        if self.resize == "squash":
            return resize(pixels, (self.width, self.height))
        if self.resize == "crop":
            box = self._crop_box(pixels.shape[1], pixels.shape[0])
            return resize(pixels, (self.width, self.height), box)
        if self.resize == "pad":
            return self._pad(pixels)
        return self._apply_published(PublishedResize.parse(self.resize), pixels)

    @property
    def original(self) -> Geometry:
        """The geometry of the images themselves; their views share its decoding."""
        return replace(self, view=None) if self.view else self

    def undrafted(self) -> Geometry:
        """Return a geometry for which a JPEG is decoded whole, in the same colours."""
        return replace(self, height=NO_DRAFT, width=NO_DRAFT)

    def draft_size(self) -> tuple[int, int]:
        """Return the least size, ``(width, height)``, to which a JPEG may be pre-shrunk."""
        if is_published(self.resize):
            return NO_DRAFT, NO_DRAFT
        zoom = DRAFT_MARGIN / (CROP_FRACTION if self.resize == "crop" else 1.0)
        side = int(zoom * max(self.width, self.height)) + 1
        return side, side

    def _crop_box(self, width: int, height: int) -> tuple[float, float, float, float]:
        scale = min(width * CROP_FRACTION / self.width, height * CROP_FRACTION / self.height)
        half_w, half_h = scale * self.width / 2, scale * self.height / 2
        return (width / 2 - half_w, height / 2 - half_h, width / 2 + half_w, height / 2 + half_h)

    def _pad(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        height, width = pixels.shape[:2]
        scale = min(self.width / width, self.height / height)
        inner_w, inner_h = max(1, round(width * scale)), max(1, round(height * scale))
        left, top = (self.width - inner_w) // 2, (self.height - inner_h) // 2
        canvas = np.empty((self.height, self.width, 3), np.uint8)
        canvas[:] = ImageColor.getrgb(self.background)[:3]
        canvas[top : top + inner_h, left : left + inner_w] = resize(pixels, (inner_w, inner_h))
        return canvas

    def _apply_published(
        self, rule: PublishedResize, pixels: NDArray[np.uint8]
    ) -> NDArray[np.uint8]:
        rows, columns = rule.window(pixels.shape[1], pixels.shape[0])
        pixels = np.ascontiguousarray(pixels[rows, columns])
        size = rule.size_of(pixels.shape[1], pixels.shape[0])
        resized = resize_as_published(pixels, size, self.interpolation)
        top = rule.offset(resized.shape[0] - self.height)
        left = rule.offset(resized.shape[1] - self.width)
        return resized[top : top + self.height, left : left + self.width]


def canonical_colour(text: str) -> str:
    """Return a colour as ``#rrggbb``: equal colours have one name in a FeatureSpec.

    Parameters
    ----------
    text : str
        ``#rrggbb``, ``#rgb``, or one of the names of CSS, such as ``white``.

    Raises
    ------
    ConfigError
        It is no colour, or one that lets something through.
    """
    try:
        channels: tuple[int, ...] = ImageColor.getrgb(text.strip())
    except ValueError:
        channels = ()
    if len(channels) != 3:
        raise ConfigError(
            f"unknown background colour {text!r}: expected #rrggbb or a name such as white"
        )
    return "#{:02x}{:02x}{:02x}".format(*channels)
