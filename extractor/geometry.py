"""From an image of any shape to the one that a backbone sees."""

from __future__ import annotations

from dataclasses import dataclass

from PIL import Image, ImageColor

from ..cache.errors import ConfigError

FILTER = Image.Resampling.BICUBIC
CROP_FRACTION = 0.875
DRAFT_MARGIN = 2.0


@dataclass(frozen=True)
class Geometry:
    """The resize rule: bicubic with antialiasing, in one step.

    Attributes
    ----------
    height, width : int
        Pixels of the result.
    resize : str
        ``squash`` stretches the image to the size. ``crop`` keeps its shape and takes the middle:
        for a size of 224, what a resize of the short side to 256 and a centre crop of 224 would
        leave. ``pad`` keeps its shape and fills the rest with ``background``.
    background : str
        ``#rrggbb``; also what shows through transparent pixels.
    """

    height: int
    width: int
    resize: str = "squash"
    background: str = "#ffffff"

    def apply(self, image: Image.Image) -> Image.Image:
        """Return ``image`` (RGB) in this geometry."""
        if self.resize == "squash":
            return image.resize((self.width, self.height), FILTER)
        if self.resize == "crop":
            box = self._crop_box(image.width, image.height)
            return image.resize((self.width, self.height), FILTER, box=box)
        if self.resize == "pad":
            return self._pad(image)
        raise ConfigError(f"unknown resize rule {self.resize!r}")

    def draft_size(self) -> tuple[int, int]:
        """Return the least size, ``(width, height)``, to which a JPEG may be pre-shrunk."""
        zoom = DRAFT_MARGIN / (CROP_FRACTION if self.resize == "crop" else 1.0)
        side = int(zoom * max(self.width, self.height)) + 1
        return side, side

    def _crop_box(self, width: int, height: int) -> tuple[float, float, float, float]:
        scale = min(width * CROP_FRACTION / self.width, height * CROP_FRACTION / self.height)
        half_w, half_h = scale * self.width / 2, scale * self.height / 2
        return (width / 2 - half_w, height / 2 - half_h, width / 2 + half_w, height / 2 + half_h)

    def _pad(self, image: Image.Image) -> Image.Image:
        scale = min(self.width / image.width, self.height / image.height)
        inner = max(1, round(image.width * scale)), max(1, round(image.height * scale))
        canvas = Image.new("RGB", (self.width, self.height), self.background)
        corner = (self.width - inner[0]) // 2, (self.height - inner[1]) // 2
        canvas.paste(image.resize(inner, FILTER), corner)
        return canvas


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
