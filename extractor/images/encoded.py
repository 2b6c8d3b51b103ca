"""An image file: opened, decoded once for each scale that is needed, turned upright."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ...cache.errors import ImageError
from .deep import deep_colour, deep_grey, deep_raw_mode, to_8_bits
from .formats import Container, explain, open_picture, read_container
from .formats.exif import orientation_of, turn
from .formats.jpeg_end import with_end
from .formats.jpeg_fast import jpeg_pixels
from .geometry import Geometry

PACKAGE = __name__.split(".", maxsplit=1)[0]


@dataclass(frozen=True)
class Decoded:
    """An image in one scale: Pillow's, RGB pixels ``(h, w, 3)``, or deep grey values ``(h, w)``."""

    content: Image.Image | NDArray[Any]
    orientation: int


@dataclass
class EncodedImage:
    """One image file. Geometries share a decoding where a JPEG may be shrunk alike for them.

    A geometry's pixels never depend on the other geometries.

    Raises
    ------
    ImageError
        The file is no picture, or cannot be decoded. So do the methods.
    """

    raw: bytes
    container: Container = field(init=False)
    decoded: dict[tuple[int, int], Decoded] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.container = read_container(self.raw)

    def rgb(self, geometry: Geometry) -> NDArray[np.uint8]:
        """Return the upright image as uint8 RGB, in the scale that the geometry needs."""
        with self._pillow_errors():
            image = self._open(geometry)
            if geometry.pixel_limits and deep_raw_mode(image):
                values = deep_colour(lambda: self._open(None))
                content = _in_8_bits(values, geometry.pixel_limits, image.mode)
                return turn(to_rgb(content, geometry.background), self._orientation(image))
            scale = image.size
            if scale not in self.decoded:
                self.decoded[scale] = self._decode(image, geometry)
            decoded = self.decoded[scale]
            return turn(self._to_rgb(decoded.content, geometry), decoded.orientation)

    def deep_values(self) -> NDArray[Any] | None:
        """Return the values as stored where they have more than 8 bits; else None."""
        with self._pillow_errors():
            image = self._open(None)
            if deep_raw_mode(image):
                return deep_colour(lambda: self._open(None))
            return deep_grey(image, self.container)

    def _open(self, geometry: Geometry | None) -> Image.Image:
        """Open the file, have a JPEG shrunk where the geometry allows it, and check the limit."""
        image = open_picture(self.container.data, self.container.kind)
        size, limit = image.size, Image.MAX_IMAGE_PIXELS
        n_pixels = image.width * image.height
        is_over = limit is not None and n_pixels > limit
        if image.format == "JPEG" and geometry is not None:
            if self.container.is_draft_allowed or is_over:
                image.draft(None, geometry.draft_size())
            if not self.container.needs_whole:
                n_pixels = image.width * image.height
        if limit is not None and n_pixels > limit:
            raise ImageError(
                f"{size[0]}×{size[1]} pixels are over the limit of {limit:,}: allow more with "
                f"--max-pixels {n_pixels}, or shrink the image"
            )
        return image

    def _decode(self, image: Image.Image, geometry: Geometry) -> Decoded:
        orientation = self._orientation(image)
        pixels = jpeg_pixels(self.container.data, image)
        if pixels is not None:
            return Decoded(pixels, orientation)
        try:
            image.load()
        except OSError:
            completed = with_end(self.container, image.size)
            if completed is None:
                raise
            self.container = replace(self.container, data=completed)
            return self._decode(self._open(geometry), geometry)
        values = deep_grey(image, self.container)
        return Decoded(image if values is None else values, self._orientation(image))

    def _orientation(self, image: Image.Image) -> int:
        """Return the orientation by the file's own blocks, else by those that Pillow found."""
        exif, xmp = (image.info.get(key, b"") for key in ("exif", "xmp"))
        return orientation_of(
            self.container.exif or (exif if isinstance(exif, bytes) else b""),
            self.container.xmp or (xmp if isinstance(xmp, bytes) else b""),
        )

    def _to_rgb(self, content: Image.Image | NDArray[Any], geometry: Geometry) -> NDArray[np.uint8]:
        if isinstance(content, Image.Image):
            return to_rgb(content, geometry.background)
        if content.ndim == 3:
            return content
        grey = to_8_bits(content, geometry.pixel_limits, self.container.bits)
        return np.stack([~grey if self.container.white_is_zero else grey] * 3, axis=-1)

    @contextmanager
    def _pillow_errors(self) -> Iterator[None]:
        """Turn what Pillow raises on damaged files into ``ImageError``.

        Its decoders raise nearly every builtin error, as fuzzing shows. Memory that runs out, and
        errors that featx' own lines raise, say nothing about the image and pass.
        """
        try:
            yield
        except (ImageError, MemoryError):
            raise
        except Exception as error:
            if _is_own(error):
                raise
            text = explain(self.raw) or f"damaged {self.container.kind or 'picture'}: {error}"
            raise ImageError(text) from error


def to_rgb(image: Image.Image, background: str) -> NDArray[np.uint8]:
    """Return an image of 8 bits a channel as RGB, on ``background`` where it is transparent."""
    if image.mode in ("P", "PA") and image.palette is None:
        image = image.copy()  # which gives it one
    if image.mode == "La":
        image = image.convert("LA")
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        canvas = Image.new("RGBA", layer.size, background)
        image = Image.alpha_composite(canvas, layer)
    return np.asarray(image if image.mode == "RGB" else image.convert("RGB"), np.uint8)


def _in_8_bits(values: NDArray[np.uint16], limits: tuple[float, float], mode: str) -> Image.Image:
    """Return an image of 16-bit channels in 8 bits; its opacity is scaled like its colours."""
    height, width, n_channels = values.shape
    pixels = to_8_bits(values, limits)
    return Image.frombytes("LA" if n_channels == 2 else mode, (width, height), pixels.tobytes())


def _is_own(error: Exception) -> bool:
    """Tell whether an error was raised in a line of this package, not inside a library."""
    frame = error.__traceback__
    while frame is not None and frame.tb_next is not None:
        frame = frame.tb_next
    name = frame.tb_frame.f_globals.get("__name__", "") if frame else ""
    return str(name).split(".", maxsplit=1)[0] == PACKAGE
