"""TIFFs whose samples Pillow has no mode for: floating-point colours, 64 bits, deep planes.

TIFF 6.0, sections 3, 14 and 15; Adobe Photoshop TIFF Technical Note 3 for predictor 3.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .....cache.errors import ImageError

UNPACKED, DEFLATE = 1, (8, 32946)
DIFFERENCES, FLOAT_DIFFERENCES = 2, 3
CUT_SHORT = "the TIFF is cut short or damaged: get the file again"


@dataclass(frozen=True)
class TiffSamples:
    """The samples of one page, in strips or tiles.

    Attributes
    ----------
    data : bytes
        The whole file.
    shape : tuple of int
        Height and width of the image in pixels.
    block : tuple of int
        Height and width of a strip or tile.
    n_channels, n_kept : int
        Samples of a pixel as stored, and those at the front that make the picture.
    dtype : dtype
        Of a sample, in the file's byte order.
    is_planar : bool
        Whether each channel lies by itself.
    compression, predictor : int
        As their tags state.
    offsets, counts : tuple of int
        Where each block lies, and its bytes.
    """

    data: bytes
    shape: tuple[int, int]
    block: tuple[int, int]
    n_channels: int
    n_kept: int
    dtype: np.dtype[Any]
    is_planar: bool
    compression: int
    predictor: int
    offsets: tuple[int, ...]
    counts: tuple[int, ...]

    @property
    def is_readable(self) -> bool:
        """Whether the samples are stored in a way that ``read`` knows."""
        return self.compression in (UNPACKED, *DEFLATE) and self.predictor in (1, 2, 3)

    def read(self) -> NDArray[Any]:
        """Return the samples in native byte order, ``(h, w)`` for one channel or ``(h, w, c)``.

        Raises
        ------
        ImageError
            Blocks are missing or cut short.
        """
        (height, width), (rows, columns) = self.shape, self.block
        if height * width * rows * columns == 0:
            raise ImageError(CUT_SHORT)
        n_planes, n_inner = (self.n_channels, 1) if self.is_planar else (1, self.n_channels)
        n_down, n_across = -(-height // rows), -(-width // columns)
        n_blocks = n_planes * n_down * n_across
        if min(len(self.offsets), len(self.counts)) < n_blocks:
            raise ImageError(CUT_SHORT)
        planes = np.empty((n_planes, height, width, n_inner), self.dtype.newbyteorder("="))
        for number in range(n_blocks):
            plane, index = divmod(number, n_down * n_across)
            top, left = index // n_across * rows, index % n_across * columns
            target = planes[plane, top : top + rows, left : left + columns]
            block = self._block(number, (rows, columns, n_inner), len(target))
            target[...] = block[: target.shape[0], : target.shape[1]]
        values = np.moveaxis(planes[..., 0], 0, -1) if self.is_planar else planes[0]
        values = values[..., : self.n_kept]
        return np.ascontiguousarray(values[..., 0] if self.n_kept == 1 else values)

    def _block(self, number: int, shape: tuple[int, int, int], n_needed: int) -> NDArray[Any]:
        """Return one block; its rows below the image may be missing."""
        row_bytes = shape[1] * shape[2] * self.dtype.itemsize
        start = self.offsets[number]
        packed = self.data[start : start + self.counts[number]]
        if self.compression in DEFLATE:
            try:
                packed = zlib.decompressobj().decompress(packed, row_bytes * shape[0])
            except zlib.error as error:
                raise ImageError(CUT_SHORT) from error
        n_rows = min(len(packed) // row_bytes, shape[0])
        if n_rows < n_needed:
            raise ImageError(CUT_SHORT)
        rows = np.frombuffer(packed, np.uint8, n_rows * row_bytes).reshape(n_rows, row_bytes)
        return self._unpredicted(rows, shape[1:])

    def _unpredicted(self, rows: NDArray[np.uint8], shape: tuple[int, int]) -> NDArray[Any]:
        if self.predictor == FLOAT_DIFFERENCES:
            by_channel = rows.reshape(len(rows), -1, shape[1])
            summed = np.cumsum(by_channel, axis=1, dtype=np.uint8).reshape(len(rows), -1)
            by_byte = summed.reshape(len(rows), self.dtype.itemsize, -1)
            values = np.ascontiguousarray(np.moveaxis(by_byte, 1, -1)).view(
                self.dtype.newbyteorder(">")
            )
            return values.reshape(len(rows), *shape)
        values = rows.view(self.dtype).reshape(len(rows), *shape)
        if self.predictor == DIFFERENCES:
            native = self.dtype.newbyteorder("=")
            return np.cumsum(values.astype(native), axis=1, dtype=native)
        return values
