"""Pixels of more than 8 bits, brought to 8 bits by one rule for a whole source."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile

from ...cache.errors import ImageError
from .formats import ImageContainer

GREY_MODES = ("I;16", "I;16L", "I;16B", "I;16N", "I", "F")
SCALED_TO_16_BITS = ("PPM", "JPEG2000")
"""Formats whose deeper values Pillow brings to 16 bits."""
OTHER_BYTE = {"B": "L", "L": "B", "N": "B"}
"""Endings of Pillow's raw modes: one takes one byte of 16 bits, the other the other byte."""
GREY_ALPHA = "LA;16B"
WHITE = 255
FLOAT_SLACK = 1.0
"""How far floats may lie outside of 0 to 1 before that is no longer their range."""
BITS_PER_SAMPLE = 258

Limits = tuple[float, float]


def deep_grey(image: Image.Image, container: ImageContainer) -> NDArray[Any] | None:
    """Decode an image whose grey values have more than 8 bits; None for other images.

    Returns
    -------
    ndarray of uint16, int16, int8, uint32, int32 or float32, shape (h, w), or None
        Values as the file holds them.
    """
    if container.sample_format == "int" and image.mode == "L":
        return np.asarray(image).view(np.int8)
    if image.mode not in GREY_MODES:
        return None
    values: NDArray[Any] = np.asarray(image)
    if image.mode == "F":
        return values
    if image.mode != "I" or image.format in SCALED_TO_16_BITS:
        return values.astype(np.uint16)
    if container.sample_format == "uint":
        return values.view(np.uint32)
    bits = getattr(image, "tag_v2", {}).get(BITS_PER_SAMPLE, (0,))
    return values.astype(np.int16) if bits[0] == 16 else values


def deep_colour(reopen: Callable[[], Image.Image]) -> NDArray[np.uint16]:
    """Decode an image with 16 bits in each of several channels.

    Pillow keeps one byte of each value, the higher one. A second decoding keeps the other.

    Parameters
    ----------
    reopen : callable
        Opens the image anew. Its ``deep_raw_mode`` is not empty.

    Returns
    -------
    ndarray of uint16, shape (h, w, channels)

    Raises
    ------
    ImageError
        The colours were multiplied by their opacity, which Pillow undoes in 8 bits only.
    """
    image = reopen()
    raw_mode = deep_raw_mode(image)
    if raw_mode.startswith("RGBa"):
        raise ImageError(
            "16-bit colours multiplied by their opacity: save the picture with plain alpha"
        )
    if raw_mode == GREY_ALPHA:
        pairs = np.asarray(_with_raw_mode(image, "RGBA"))
        return _joined(pairs[..., 0::2], pairs[..., 1::2])
    high = np.asarray(image)
    low = np.asarray(_with_raw_mode(reopen(), raw_mode[:-1] + OTHER_BYTE[raw_mode[-1]]))
    return _joined(high, low)


def deep_raw_mode(image: Image.Image) -> str:
    """Return how 16-bit colours lie in a file that is not decoded yet; empty for other images."""
    if image.mode in GREY_MODES or not isinstance(image, ImageFile.ImageFile):
        return ""
    modes = [str(_arguments(tile.args)[0]) for tile in image.tile if tile.args]
    return next((mode for mode in modes if mode[-4:-1] == ";16"), "")


def to_8_bits(values: NDArray[Any], limits: Limits | None, n_bits: int = 16) -> NDArray[np.uint8]:
    """Scale values linearly to 0 to 255; values outside the limits and NaN become black or white.

    Parameters
    ----------
    values : ndarray, shape (h, w) or (h, w, channels)
        Those of uint8 stay as they are.
    limits : tuple of float or None
        The values that become black and white; None stands for the type's whole range, for floats
        from 0 to 1.
    n_bits : int
        Bits of a stored value, where an unsigned type of 16 bits has room for more.

    Raises
    ------
    ImageError
        The type has no whole range that a picture fills: 32 bits, or floats far beyond 0 to 1.
    """
    if values.dtype == np.uint8:
        return values
    if limits and values.shape[2:] in ((2,), (4,)):
        colours, opacity = values[..., :-1], values[..., -1:]
        parts = (colours, limits), (opacity, _opacity_limits(opacity, limits))
        return np.concatenate([_scale(part, *each) for part, each in parts], -1)
    return _scale(values, *(limits or whole_range(values, n_bits)))


def _scale(values: NDArray[Any], low: float, high: float) -> NDArray[np.uint8]:
    floats = np.nan_to_num(values.astype(np.float64), nan=low, posinf=high, neginf=low)
    scaled = (np.clip(floats, low, high) - low) * (WHITE / (high - low))
    return np.rint(scaled).astype(np.uint8)


def _opacity_limits(opacity: NDArray[Any], limits: Limits) -> Limits:
    """Return the values that are clear and opaque: those of the colours, or the type's own."""
    top = float(opacity.max())
    if opacity.dtype.kind == "f" and top <= 1:
        return 0.0, 1.0
    is_own = opacity.dtype.kind != "f" and top > limits[1]
    return 0.0, float(np.iinfo(opacity.dtype).max) if is_own else limits[1]


def whole_range(values: NDArray[Any], n_bits: int) -> Limits:
    """Return the least and the largest value of a type.

    Raises
    ------
    ImageError
        As in ``to_8_bits``.
    """
    if values.dtype.kind == "f":
        finite = values[np.isfinite(values)]
        if finite.size and (finite.min() < -FLOAT_SLACK or finite.max() > 1 + FLOAT_SLACK):
            raise ImageError(
                f"floating-point pixels from {finite.min():.4g} to {finite.max():.4g}, where the "
                "full range is 0 to 1: state the range, such as --pixel-range 0:255"
            )
        return 0.0, 1.0
    info = np.iinfo(values.dtype)
    if info.bits > 16:
        raise ImageError(
            f"pixels of {info.bits} bits, from {values.min()} to {values.max()}, fill no known "
            "range: state the range, such as --pixel-range 0:65535"
        )
    if info.min == 0 and 8 < n_bits < info.bits:
        return 0.0, float(2**n_bits - 1)
    return float(info.min), float(info.max)


def _joined(high: NDArray[np.uint8], low: NDArray[np.uint8]) -> NDArray[np.uint16]:
    return high.astype(np.uint16) * np.uint16(256) + low


def _arguments(args: Any) -> tuple[Any, ...]:
    return args if isinstance(args, tuple) else (args,)


def _with_raw_mode(image: Image.Image, raw_mode: str) -> Image.Image:
    """Tell an image that is not decoded yet to take other bytes of its file; return it."""
    if isinstance(image, ImageFile.ImageFile):
        image.tile = [
            tile._replace(
                args=(raw_mode, *tile.args[1:]) if isinstance(tile.args, tuple) else raw_mode
            )
            for tile in image.tile
        ]
    return image
