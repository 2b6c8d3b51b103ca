"""Arrays in NumPy's file format, read as plain numbers: nothing in the bytes is evaluated."""

from __future__ import annotations

import io
import math
import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...cache.errors import ModelFileError

MAGIC = b"\x93NUMPY\x01\x00"
# As numpy.lib.format writes it. NumPy's own reader would evaluate the header as a Python literal.
HEADER = re.compile(
    rb"\{'descr': '([<|][fiub]\d)', 'fortran_order': (True|False), "
    rb"'shape': \(((?:\d{1,18}(?:, |,|(?=\))))*)\), \} *\n"
)
DTYPES = frozenset({"float16", "float32", "float64", "int32", "int64", "uint8", "bool"})


def array_to_bytes(array: NDArray[Any]) -> bytes:
    """Return the bytes of an ``.npy`` file."""
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, np.asarray(array, order="C"), allow_pickle=False)
    return buffer.getvalue()


def array_from_bytes(name: str, data: bytes) -> NDArray[Any]:
    """Read one array; nothing is allocated before its size is known to be that of the data."""
    size, start = int.from_bytes(data[8:10], "little"), 10
    header = HEADER.fullmatch(data[start : start + size])
    if data[:8] != MAGIC or header is None:
        raise ModelFileError(f"the array {name!r} does not begin with a header of NumPy's format 1")
    descr, is_fortran, numbers = (group.decode("ascii") for group in header.groups())
    shape = tuple(int(n) for n in numbers.replace(",", " ").split())
    dtype = np.dtype(descr)
    start += size
    if dtype.name not in DTYPES:
        raise ModelFileError(f"the array {name!r} has the dtype {dtype}")
    if math.prod(shape) * dtype.itemsize != len(data) - start:
        raise ModelFileError(f"the array {name!r} does not have the size of its shape {shape}")
    flat = np.frombuffer(data, dtype, offset=start)
    return flat.reshape(shape, order="F" if is_fortran == "True" else "C")
