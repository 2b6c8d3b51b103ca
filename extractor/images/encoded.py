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
from .formats import ImageContainer, describe_damage, explain, open_picture, read_container
from .formats.exif import orientation_of, turn
from .formats.jpeg.end_marker import with_end
from .formats.jpeg.fast import jpeg_pixels
from .formats.tiff.samples import TiffSamples
from .geometry import Geometry

MODES = {(): "L", (2,): "LA", (4,): "RGBA"}
DECODERS = ("PIL", "pillow_heif")


@dataclass(frozen=True)
class Decoded:
    """An image in one scale, not yet turned.

    Attributes
    ----------
    content : PIL.Image.Image or ndarray
        Pillow's image, RGB pixels of 8 bits, or deep values ``(h, w)`` or ``(h, w, channels)``.
    orientation : int
    mode : str
        What the channels of an array are, as Pillow names it; empty where their number tells.
    """

    content: Image.Image | NDArray[Any]
    orientation: int
    mode: str = ""


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
    container: ImageContainer = field(init=False)
    decoded: dict[tuple[int, int], Decoded] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.container = read_container(self.raw)

    @property
    def stored_size(self) -> tuple[int, int]:
        """Height and width in pixels as the image lies in the file, not turned; decodes nothing."""
        if self.container.samples is not None:
            return self.container.samples.shape
        with self._pillow_errors():
            image = open_picture(self.container.data, self.container.kind)
        return image.height, image.width

    def rgb(self, geometry: Geometry) -> NDArray[np.uint8]:
        """Return the upright image as uint8 RGB, in the scale that the geometry needs."""
        with self._pillow_errors():
            decoded = self._decoded(geometry)
            content = decoded.content
            if not isinstance(content, Image.Image):
                content = to_8_bits(content, geometry.pixel_limits, self.container.bits)
                content = ~content if self.container.white_is_zero else content
            pixels = to_rgb(content, geometry.background, decoded.mode)
        return turn(pixels, decoded.orientation)

    def deep_values(self) -> NDArray[Any] | None:
        """Return the values as stored where they have more than 8 bits; else None."""
        with self._pillow_errors():
            if self.container.samples is not None:
                return self._read_samples(self.container.samples)
            image = self._open(None)
            if deep_raw_mode(image):
                return deep_colour(lambda: self._open(None))
            return deep_grey(image, self.container)

    def _decoded(self, geometry: Geometry) -> Decoded:
        """Decode, or return what was decoded in the scale that the geometry needs."""
        if self.container.samples is not None:
            values = self._read_samples(self.container.samples)
            return Decoded(values, self.container.orientation)
        image = self._open(geometry)
        if geometry.pixel_limits and deep_raw_mode(image):
            values = deep_colour(lambda: self._open(None))
            mode = "LA" if values.shape[2] == 2 else image.mode
            return Decoded(values, self._orientation(image), mode)
        scale = image.size
        if scale not in self.decoded:
            self.decoded[scale] = self._decode(image, geometry)
        return self.decoded[scale]

    def _read_samples(self, samples: TiffSamples) -> NDArray[Any]:
        height, width = samples.shape
        _check_size((width, height), height * width)
        return samples.read()

    def _open(self, geometry: Geometry | None) -> Image.Image:
        """Open the file, have a JPEG shrunk where the geometry allows it, and check the limit."""
        image = open_picture(self.container.data, self.container.kind)
        size, n_pixels = image.size, image.width * image.height
        if image.format == "JPEG" and geometry is not None:
            if self.container.is_draft_allowed or n_pixels > (Image.MAX_IMAGE_PIXELS or n_pixels):
                image.draft(None, geometry.draft_size())
            if not self.container.needs_whole:
                n_pixels = image.width * image.height
        _check_size(size, n_pixels)
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

    @contextmanager
    def _pillow_errors(self) -> Iterator[None]:
        """Turn what Pillow raises on damaged files into ``ImageError``.

        Its decoders raise nearly every builtin error, as fuzzing shows. Memory that runs out, and
        errors of featx' own lines, say nothing about the image and pass.
        """
        try:
            yield
        except (ImageError, MemoryError):
            raise
        except Exception as error:
            if not _is_of_decoder(error):
                raise
            kind = self.container.kind or "picture"
            text = explain(self.raw) or describe_damage(kind, error)
            if "truncated" in str(error).lower():
                text = f"the {kind} is cut short (truncated): get the file again"
            raise ImageError(text) from error


def to_rgb(
    image: Image.Image | NDArray[np.uint8], background: str, mode: str = ""
) -> NDArray[np.uint8]:
    """Return an image of 8 bits a channel as RGB, on ``background`` where it is transparent.

    Parameters
    ----------
    image : PIL.Image.Image or ndarray of uint8, shape (h, w) or (h, w, channels)
    background : str
    mode : str
        What an array's channels are, where their number does not tell.
    """
    if not isinstance(image, Image.Image):
        if image.shape[2:] == (3,):
            return image
        values = image.squeeze(-1) if image.shape[2:] == (1,) else image
        size = values.shape[1::-1]
        mode = mode or MODES[values.shape[2:]]
        image = Image.frombytes(mode, size, np.ascontiguousarray(values).tobytes())
    if image.mode in ("P", "PA") and image.palette is None:
        image = image.copy()  # which gives it one
    if image.mode == "La":
        image = image.convert("LA")
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        canvas = Image.new("RGBA", layer.size, background)
        image = Image.alpha_composite(canvas, layer)
    return np.asarray(image if image.mode == "RGB" else image.convert("RGB"), np.uint8)


def _check_size(size: tuple[int, int], n_pixels: int) -> None:
    """Raise ImageError where more pixels are needed at once than the limit allows."""
    limit = Image.MAX_IMAGE_PIXELS
    if limit is not None and n_pixels > limit:
        raise ImageError(
            f"{size[0]}×{size[1]} pixels are over the limit of {limit:,}: allow more with "
            f"--max-pixels {n_pixels}, or shrink the image"
        )


def _is_of_decoder(error: Exception) -> bool:
    """Tell whether an error was raised inside a decoding library."""
    frame = error.__traceback__
    while frame is not None:
        module = str(frame.tb_frame.f_globals.get("__name__", ""))
        if module.split(".", maxsplit=1)[0] in DECODERS:
            return True
        frame = frame.tb_next
    return False
