"""The boxes that a table gives for its images: one crop a row."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from ....cache.errors import SourceFormatError
from ..crop import PIXEL_DECIMALS, SHARE_DECIMALS, Box
from .columns import Columns, squash

N_NUMBERS = 4
BETWEEN_NUMBERS = re.compile(r"[\s,;\[\]()]+")
RIGHT_EDGES = frozenset(("xmax", "x2", "x1max", "right", "maxx", "xbr", "xend", "x1"))
CENTRES = frozenset(("xcenter", "xcentre", "centerx", "centrex", "cx", "xc"))


def read_boxes(columns: Columns, indices: Sequence[int]) -> tuple[list[Box], str]:
    """Return the box of each row, and how the numbers were understood.

    Numbers are pixels of the upright image; where no number of the table is over 1, they are shares
    of its sides. By the names of the columns they are left, top, width and height, left, top, right
    and bottom, or centre, width and height.

    Raises
    ------
    SourceFormatError
        A row holds something else than four numbers.
    """
    names = [columns.names[index] for index in indices]
    rows = _numbers(columns, indices, names)
    is_relative = max((abs(side) for row in rows for side in row), default=0) <= 1
    decimals = SHARE_DECIMALS if is_relative else PIXEL_DECIMALS
    form, sides = "x, y, width, height", rows
    if len(names) == N_NUMBERS and squash(names[2]) in RIGHT_EDGES:
        form, sides = "left, top, right, bottom", [_from_corners(*row) for row in rows]
    elif len(names) == N_NUMBERS and squash(names[0]) in CENTRES:
        form, sides = "centre, width, height", [_from_centre(*row) for row in rows]
    rounded = [[round(side, decimals) for side in row] for row in sides]
    boxes = [Box(x, y, width, height, is_relative) for x, y, width, height in rounded]
    unit = "shares of the image's sides, as no number is over 1" if is_relative else "pixels"
    return boxes, f"boxes ({form}) in {unit}"


def _numbers(
    columns: Columns, indices: Sequence[int], names: Sequence[str]
) -> list[tuple[float, ...]]:
    rows = []
    cells = (columns.texts(index) for index in indices)
    for number, row in enumerate(zip(*cells, strict=True), 1):
        texts = [cell or "" for cell in row]
        if len(texts) == 1:
            texts = [text for text in BETWEEN_NUMBERS.split(texts[0]) if text]
        try:
            sides = tuple(map(float, texts))
        except ValueError:
            sides = ()
        if len(sides) != N_NUMBERS or not all(map(math.isfinite, sides)):
            raise SourceFormatError(
                f"{columns.location}: row {number} has {', '.join(map(repr, row))} in the columns "
                f"{', '.join(names)} of --crop-columns. Expected four numbers: x, y, width, height"
            )
        rows.append(sides)
    return rows


def _from_corners(left: float, top: float, right: float, bottom: float) -> tuple[float, ...]:
    return left, top, right - left, bottom - top


def _from_centre(x: float, y: float, width: float, height: float) -> tuple[float, ...]:
    return x - width / 2, y - height / 2, width, height
