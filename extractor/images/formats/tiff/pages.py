"""TIFF: the page of full resolution, and the tags that decide its pixels.

TIFF 6.0, sections 2 to 22; Supplement 1 of TIFF for SubIFDs; DNG 1.7 for camera raw.
"""

from __future__ import annotations

import struct

import numpy as np

from .....cache.errors import ImageError
from ..image_container import ImageContainer, Range
from .ifd import Ifd, TiffReader
from .samples import TiffSamples

NEW_SUBFILE_TYPE, SUBFILE_TYPE, SUB_IFDS = 254, 255, 330
N_CHANNELS, PLANAR, PREDICTOR, EXTRA_SAMPLES, TILE_WIDTH = 277, 284, 317, 338, 322
STRIP_TAGS, TILE_TAGS = (278, 273, 279), (323, 324, 325)
"""Rows, offsets and bytes of each strip or tile."""
SEPARATE, OPACITY = 2, 2
WIDTH, LENGTH, BITS, COMPRESSION, PHOTOMETRIC, ORIENTATION, XMP = 256, 257, 258, 259, 262, 274, 700
SAMPLE_FORMAT, MIN_VALUE, MAX_VALUE, SMIN, SMAX = 339, 280, 281, 340, 341
REDUCED, MASK = 1, 4
WHITE_IS_ZERO, BLACK_IS_ZERO, RGB = 0, 1, 2
SAMPLE_KINDS = ("u8", "u16", "u32", "i8", "i16", "i32", "f16", "f32", "f64")
UNSIGNED, SIGNED, FLOAT = 1, 2, 3
FORMATS = {UNSIGNED: "uint", SIGNED: "int", FLOAT: "float"}

PIXEL_TAGS = frozenset(
    (
        *(WIDTH, LENGTH, BITS, COMPRESSION, PHOTOMETRIC, SAMPLE_FORMAT, 266, 273, 277, 278, 279),
        *(284, 292, 293, 317, 320, 322, 323, 324, 325, 332, 334, 338, 347, *range(512, 522)),
        *(529, 530, 531, 532, 50674),
    )
)
"""Layout, compression, colour map, tiles, extra samples, JPEG tables and YCbCr coefficients."""

DNG_VERSION = 50706
SENSOR_TAGS = frozenset((DNG_VERSION, 33421, 33422, 50710))
SENSOR_PHOTOMETRICS = (32803, 34892)
SENSOR_COMPRESSIONS = (32767, 32769, 32770, 34713, 65000, 65535)
CAMERA_RAW = (
    "a camera's raw file ({}), which holds the sensor's data and a small preview, no finished "
    "picture: develop it to JPEG, PNG or TIFF first"
)


def read_tiff(raw: bytes) -> ImageContainer:
    """Take a TIFF apart.

    Raises
    ------
    ImageError
        It is a camera's raw file.
    """
    reader = TiffReader(raw)
    pages = reader.chain()
    if not pages:
        return ImageContainer(raw, "TIFF")
    children = [ifd for page in pages[:16] for ifd in _children(reader, page)]
    _refuse_sensor_data(reader, [*pages[:16], *children])
    full = [page for page in pages if _is_full(reader, page)]
    candidates = full or [page for page in children if _is_full(reader, page)] or pages
    page = candidates[0] if full else max(candidates, key=lambda page: _n_pixels(reader, page))
    bits = reader.number(page, BITS, 1)
    sample_format = reader.number(page, SAMPLE_FORMAT, UNSIGNED)
    photometric = reader.number(page, PHOTOMETRIC, WHITE_IS_ZERO)
    samples = _samples(reader, page)
    return ImageContainer(
        _with_one_page(reader, page) if samples is None else b"",
        "TIFF",
        exif=_orientation_block(reader.number(page, ORIENTATION)),
        xmp=reader.content(page, XMP),
        n_pictures=max(1, len(full)),
        unit="pages",
        sample_format=FORMATS.get(sample_format, ""),
        bits=bits,
        stated_range=_stated_range(reader, page) if _is_deep(reader, page) else None,
        samples=samples,
        white_is_zero=photometric == WHITE_IS_ZERO
        and (samples is not None or _is_deep(reader, page)),
    )


def _children(reader: TiffReader, page: Ifd) -> list[Ifd]:
    offsets = reader.numbers(page, SUB_IFDS)[:16]
    return [reader.ifd(int(offset)) for offset in offsets if 0 < offset < len(reader.data)]


def _refuse_sensor_data(reader: TiffReader, ifds: list[Ifd]) -> None:
    if reader.data[8:10] == b"CR":
        raise ImageError(CAMERA_RAW.format("Canon CR2"))
    for ifd in ifds:
        if (
            not SENSOR_TAGS.isdisjoint(ifd.entries)
            or reader.number(ifd, PHOTOMETRIC) in SENSOR_PHOTOMETRICS
            or reader.number(ifd, COMPRESSION) in SENSOR_COMPRESSIONS
        ):
            is_dng = any(DNG_VERSION in each.entries for each in ifds)
            raise ImageError(CAMERA_RAW.format("DNG" if is_dng else "NEF, ARW, PEF or alike"))


def _is_full(reader: TiffReader, page: Ifd) -> bool:
    """Tell whether a page is a picture of its own: no preview, no mask."""
    is_preview = reader.number(page, NEW_SUBFILE_TYPE) & (REDUCED | MASK)
    return not is_preview and reader.number(page, SUBFILE_TYPE) != 2


def _is_deep(reader: TiffReader, page: Ifd) -> bool:
    """Tell whether values have more than 8 bits, or a sign."""
    return reader.number(page, BITS, 1) > 8 or reader.number(page, SAMPLE_FORMAT) == SIGNED


def _n_pixels(reader: TiffReader, page: Ifd) -> int:
    return reader.number(page, WIDTH) * reader.number(page, LENGTH)


def _samples(reader: TiffReader, page: Ifd) -> TiffSamples | None:
    """Return a reader of pixels that Pillow has no mode for; None for those that it reads.

    Raises
    ------
    ImageError
        Neither Pillow nor featx reads them.
    """
    if _is_common(reader, page):
        return None
    bits, n_channels = reader.number(page, BITS, 1), reader.number(page, N_CHANNELS, 1)
    kind = FORMATS.get(reader.number(page, SAMPLE_FORMAT, UNSIGNED), "")[:1]
    photometric = reader.number(page, PHOTOMETRIC, WHITE_IS_ZERO)
    n_colours = {WHITE_IS_ZERO: 1, BLACK_IS_ZERO: 1, RGB: 3}.get(photometric, 0)
    has_alpha = n_channels == n_colours + 1 and reader.number(page, EXTRA_SAMPLES) == OPACITY
    is_known = f"{kind}{bits}" in SAMPLE_KINDS and 0 < n_colours <= n_channels
    is_tiled = TILE_WIDTH in page.entries
    length_tag, offsets, counts = TILE_TAGS if is_tiled else STRIP_TAGS
    height, width = reader.number(page, LENGTH), reader.number(page, WIDTH)
    samples = TiffSamples(
        data=reader.data,
        shape=(height, width),
        block=(reader.number(page, length_tag, height), reader.number(page, TILE_WIDTH, width)),
        n_channels=n_channels,
        n_kept=n_colours + has_alpha,
        dtype=np.dtype(f"{reader.order}{kind}{bits // 8}" if is_known else np.uint8),
        is_planar=reader.number(page, PLANAR) == SEPARATE,
        compression=reader.number(page, COMPRESSION, 1),
        predictor=reader.number(page, PREDICTOR, 1),
        offsets=tuple(int(number) for number in reader.numbers(page, offsets)),
        counts=tuple(int(number) for number in reader.numbers(page, counts)),
    )
    if is_known and samples.is_readable:
        return samples
    if n_channels == 1 and reader.order == "<":
        return None
    raise ImageError(describe(reader, page))


def _is_common(reader: TiffReader, page: Ifd) -> bool:
    """Tell whether Pillow reads the samples rightly: all bytes, and most of unsigned 16 bits."""
    bits, n_channels = reader.number(page, BITS, 1), reader.number(page, N_CHANNELS, 1)
    is_planar = reader.number(page, PLANAR) == SEPARATE and n_channels > 1
    is_odd = bits == 16 and (is_planar or n_channels == 2)
    is_unsigned = reader.number(page, SAMPLE_FORMAT, UNSIGNED) == UNSIGNED
    is_big_motorola = reader.is_big and reader.order == ">"
    return is_unsigned and bits <= 16 and not is_odd and not is_big_motorola


def explain_tiff(raw: bytes) -> str:
    """Return what kind of TIFF Pillow has no mode for, and what to do."""
    reader = TiffReader(raw)
    return describe(reader, reader.ifd(reader.first))


def describe(reader: TiffReader, page: Ifd) -> str:
    """Return what kind of TIFF it is that cannot be read, and what to do."""
    kind = FORMATS.get(reader.number(page, SAMPLE_FORMAT, UNSIGNED), "other")
    return (
        f"a TIFF with {reader.number(page, N_CHANNELS, 1)} channels of {kind} values of "
        f"{reader.number(page, BITS, 1)} bits (photometric "
        f"{reader.number(page, PHOTOMETRIC)}, compression {reader.number(page, COMPRESSION, 1)}), "
        "which featx cannot read: save it as grey or RGB, uncompressed"
    )


def _stated_range(reader: TiffReader, page: Ifd) -> Range | None:
    """Return the least and the largest value as the tags state them, where they make a range."""
    for low_tag, high_tag in ((SMIN, SMAX), (MIN_VALUE, MAX_VALUE)):
        lows, highs = reader.numbers(page, low_tag), reader.numbers(page, high_tag)
        if highs and (low := min(lows, default=0.0)) < max(highs):
            return float(low), float(max(highs))
    return None


def _orientation_block(orientation: int) -> bytes:
    """Return an EXIF block that states an orientation; empty for none."""
    entry = struct.pack("<HHIHH", ORIENTATION, 3, 1, orientation & 0xFFFF, 0)
    return b"II*\0\x08\0\0\0\1\0" + entry + bytes(4) if orientation else b""


def _with_one_page(reader: TiffReader, page: Ifd) -> bytes:
    """Return the file with a directory at its end that holds the page's pixel tags only.

    Deep grey by which 0 is white becomes grey by which 0 is black, and unsigned 32 bits become
    signed ones: Pillow reads both in either byte order, and ``deep`` undoes it.
    """
    order, data = reader.order, reader.data
    entries = {tag: page.entries[tag].raw for tag in page.entries if tag in PIXEL_TAGS}
    bits = reader.number(page, BITS, 1)
    photometric = reader.number(page, PHOTOMETRIC, WHITE_IS_ZERO)
    if photometric == WHITE_IS_ZERO and _is_deep(reader, page):
        entries[PHOTOMETRIC] = _short_entry(reader, PHOTOMETRIC, BLACK_IS_ZERO)
    if bits == 32 and reader.number(page, SAMPLE_FORMAT, UNSIGNED) == UNSIGNED:
        entries[SAMPLE_FORMAT] = _short_entry(reader, SAMPLE_FORMAT, SIGNED)
    start = len(data) + len(data) % 2
    count, pointer = ("Q", "Q") if reader.is_big else ("H", "I")
    ifd = struct.pack(order + count, len(entries)) + b"".join(
        entries[tag] for tag in sorted(entries)
    )
    header = data[:8] if reader.is_big else data[:4]
    first = struct.pack(order + pointer, start)
    body = data[len(header) + len(first) :] + bytes(len(data) % 2)
    return b"".join((header, first, body, ifd, bytes(len(first))))


def _short_entry(reader: TiffReader, tag: int, value: int) -> bytes:
    if reader.is_big:
        return struct.pack(reader.order + "HHQHHI", tag, 3, 1, value, 0, 0)
    return struct.pack(reader.order + "HHIHH", tag, 3, 1, value, 0)
