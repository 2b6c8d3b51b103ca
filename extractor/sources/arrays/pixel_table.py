"""A CSV of pixels: ``label,pixel1,…,pixel784``, one grey image a row."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Any

import numpy as np

from ....cache import NO_LABEL
from ....cache.errors import SourceFormatError
from ..files.files import NO_STAMP, Files
from ..kind import SourceKind
from ..source_options import SourceOptions
from ..tables.text import ENDINGS, TextFormat, read_format
from .arrays import ArrayPart, ArraySource, part_name

PIXEL = re.compile(r"(?:pixel|px|p)?[_-]?\d+|\d+x\d+", re.IGNORECASE)
LABEL = re.compile(r"label|class|target|y", re.IGNORECASE)
MIN_PIXELS = 16


def is_pixel_header(columns: list[str]) -> bool:
    """Tell whether the columns of a table are pixels, with or without a label before them."""
    rest = columns[1:] if columns and LABEL.fullmatch(columns[0]) else columns
    return len(rest) >= MIN_PIXELS and all(PIXEL.fullmatch(column) for column in rest)


def is_pixel_table(files: Files, name: str) -> bool:
    """Tell whether a file is a table of pixels, by its header."""
    if not name.lower().endswith(ENDINGS):
        return False
    try:
        return is_pixel_header(list(read_format(files, name).names))
    except SourceFormatError:
        return False


def open_pixel_tables(files: Files, names: Sequence[str], _options: SourceOptions) -> ArraySource:
    """Open tables of pixels; a ``train`` or ``test`` in a file's name makes it that split.

    Raises
    ------
    SourceFormatError
        A value is no whole number from 0 to 255, or the pixels make no square.
    """
    parts = [_read(files, name) for name in sorted(names)]
    location = f"{files.location}/{names[0]}" if len(names) == 1 else files.location
    return ArraySource(parts, location, files)


def _read(files: Files, name: str) -> ArrayPart:
    import pyarrow as pa
    from pyarrow import csv

    where = f"{files.location}/{name}"
    try:
        with files.open(name) as file:
            source = pa.CompressedInputStream(file, "gzip") if name.endswith(".gz") else file
            table = csv.read_csv(source, *_options_of(read_format(files, name)))
    except (OSError, pa.ArrowInvalid) as error:
        raise SourceFormatError(f"{where}: not a readable CSV of pixels ({error})") from error
    has_label = LABEL.fullmatch(table.column_names[0].strip()) is not None
    columns = table.columns[has_label:]
    side = math.isqrt(len(columns))
    if side * side != len(columns):
        raise SourceFormatError(
            f"{where} has {len(columns)} pixels a row, which make no square image"
        )
    pixels = np.empty((table.num_rows, len(columns)), np.uint8)
    labels = np.full(table.num_rows, NO_LABEL, np.int64)
    try:
        for index, column in enumerate(columns):
            pixels[:, index] = column.cast(pa.uint8()).to_numpy()
        if has_label:
            labels = table.columns[0].cast(pa.int64()).to_numpy()
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, ValueError) as error:
        raise SourceFormatError(
            f"{where}: expected whole numbers, pixels from 0 to 255 ({error})"
        ) from error
    images = pixels.reshape(-1, side, side)
    return ArrayPart(
        part_name(PurePosixPath(name).name.split(".")[0]),
        images,
        labels,
        files.stamp(name) or NO_STAMP,
    )


def _options_of(form: TextFormat) -> tuple[Any, Any]:
    """Return how pyarrow is to read a table of this form."""
    from pyarrow import csv

    encoding = form.encoding.removesuffix("-sig")
    return csv.ReadOptions(encoding=encoding), csv.ParseOptions(delimiter=form.delimiter)


KIND = SourceKind(
    name="tables of pixels",
    expected="a table of pixels (label,pixel1,…)",
    open=open_pixel_tables,
    reads=is_pixel_table,
    gathers=True,
)
