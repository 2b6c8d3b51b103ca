"""Crops: the part of an image that a box shows, as a sample of its own."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...cache.errors import ImageError

PIXEL_DECIMALS, SHARE_DECIMALS = 3, 6
MARK = "#xywh="
PERCENT = "percent:"
FRAGMENT = re.compile(rf"(?P<image>.*){MARK}(?P<unit>{PERCENT})?(?P<numbers>[-\d.,e]+)", re.S)


@dataclass(frozen=True)
class Box:
    """A rectangle in an upright image: left and top edge, width and height.

    Attributes
    ----------
    x, y, width, height : float
        In pixels, or shares of the image's sides.
    is_relative : bool
        Whether they are shares.
    """

    x: float
    y: float
    width: float
    height: float
    is_relative: bool = False

    def __str__(self) -> str:
        """Return the box as a media fragment (W3C Media Fragments URI 1.0, section 4.2.2)."""
        scale, decimals = (100, SHARE_DECIMALS - 2) if self.is_relative else (1, PIXEL_DECIMALS)
        sides = (self.x, self.y, self.width, self.height)
        numbers = (f"{side * scale:.{decimals}f}".rstrip("0").rstrip(".") for side in sides)
        unit = PERCENT if self.is_relative else ""
        return f"{MARK}{unit}{','.join('0' if n == '-0' else n for n in numbers)}"

    def edges(self, width: int, height: int) -> tuple[int, int, int, int]:
        """Return left, top, right and bottom in whole pixels of an image of that size.

        Edges are rounded to the nearest pixel; they may lie outside the image.
        """
        across, down = (width, height) if self.is_relative else (1, 1)
        ends = (self.x + self.width, self.y + self.height)
        left, right = (math.floor(round(x * across, 4) + 0.5) for x in (self.x, ends[0]))
        top, bottom = (math.floor(round(y * down, 4) + 0.5) for y in (self.y, ends[1]))
        return left, top, right, bottom

    def within(self, width: int, height: int) -> tuple[slice, slice, bool]:
        """Return the rows and columns of an image that the box shows, and whether it was cut.

        Raises
        ------
        ImageError
            The box is empty, or lies outside the image.
        """
        left, top, right, bottom = self.edges(width, height)
        box = str(self).removeprefix(MARK)
        if right <= left or bottom <= top:
            raise ImageError(f"the box {box} is empty: expected x, y, width and height")
        rows = slice(max(top, 0), min(bottom, height))
        columns = slice(max(left, 0), min(right, width))
        if rows.stop <= rows.start or columns.stop <= columns.start:
            raise ImageError(f"the box {box} lies outside the image of {width}×{height} pixels")
        is_cut = (columns.start, rows.start, columns.stop, rows.stop) != (left, top, right, bottom)
        return rows, columns, is_cut


@dataclass(frozen=True)
class Crop:
    """An image before decoding, and the box that is wanted of it.

    Attributes
    ----------
    image : bytes or ndarray of uint8
    box : Box
    """

    image: bytes | NDArray[np.uint8]
    box: Box


def split_crop_id(sample_id: str) -> tuple[str, Box | None]:
    """Return the image and the box of a sample's id; None where it is a whole image."""
    match = FRAGMENT.fullmatch(sample_id)
    numbers = match["numbers"].split(",") if match else []
    if match is None or len(numbers) != 4:
        return sample_id, None
    try:
        x, y, width, height = map(float, numbers)
    except ValueError:
        return sample_id, None
    if not match["unit"]:
        return match["image"], Box(x, y, width, height)
    x, y, width, height = (round(side / 100, SHARE_DECIMALS) for side in (x, y, width, height))
    return match["image"], Box(x, y, width, height, is_relative=True)
