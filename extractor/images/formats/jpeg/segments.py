"""JPEG: the segments that decide pixels, and those that state orientation and further pictures.

ITU-T T.81, annex B; CIPA DC-007 for files of several pictures.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..exif import PREFIX
from ..image_container import ImageContainer
from ..tiff.ifd import TiffReader

SOI, EOI = b"\xff\xd8", b"\xff\xd9"
FIRST_APP, LAST_APP, COMMENT = 0xE0, 0xEF, 0xFE
START_OF_SCAN, END_OF_IMAGE = 0xDA, 0xD9
ALONE = frozenset((0x00, 0x01, *range(0xD0, 0xD8)))
"""What follows 0xFF without a length; none of them means something before the first scan."""
FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
BASELINE = (0xC0, 0xC1)
JFIF_BYTES, ADOBE_BYTES = 14, 12
"""What libjpeg needs of the two application segments that tell the colours apart."""
XMP_PREFIX, MPF_PREFIX, ULTRA_HDR = b"http://ns.adobe.com/xap/1.0/\0", b"MPF\0", b' hdrgm:Version="'
N_PICTURES, PICTURES = 0xB001, 0xB002


def read_jpeg(raw: bytes) -> ImageContainer:
    """Take a JPEG apart."""
    kept: list[bytes] = [SOI]
    exif = xmp = mpf = b""
    is_ultra_hdr, needs_whole, n_components = False, False, 0
    for marker, segment in segments(raw):
        body = segment[4:]
        if marker in FRAMES:
            needs_whole = marker not in BASELINE
            n_components = body[5] if len(body) > 5 else 0
        elif marker == START_OF_SCAN and len(body):
            needs_whole = needs_whole or body[0] < n_components
        if _is_kept(marker, body):
            kept.append(segment)
        elif marker == 0xE1 and body.startswith(PREFIX):
            exif = exif + body[len(PREFIX) :] if exif else body
        elif marker == 0xE1:
            is_ultra_hdr = is_ultra_hdr or ULTRA_HDR in body
            xmp = body[len(XMP_PREFIX) :] if body.startswith(XMP_PREFIX) else xmp
        elif marker == 0xE2 and body.startswith(MPF_PREFIX):
            mpf = body[len(MPF_PREFIX) :]
    is_bare = sum(map(len, kept)) == len(raw)
    n_pictures = _n_pictures(mpf)
    return ImageContainer(
        raw if is_bare else b"".join(kept),
        "JPEG",
        exif=exif,
        xmp=xmp,
        n_pictures=n_pictures,
        unit="pictures",
        needs_whole=needs_whole,
        is_draft_allowed=is_ultra_hdr or n_pictures < 2,
    )


def segments(raw: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield each segment with its marker up to the first scan, which holds all that follows.

    Bytes between segments that are none are passed over, as libjpeg does.
    """
    position = 2
    while (position := raw.find(b"\xff", position)) >= 0:
        marker = raw[position + 1] if position + 1 < len(raw) else END_OF_IMAGE
        if marker in (START_OF_SCAN, END_OF_IMAGE):
            yield marker, raw[position:]
            return
        if marker == 0xFF:
            position += 1
        elif marker in ALONE:
            position += 2
        else:
            end = position + 2 + max(2, int.from_bytes(raw[position + 2 : position + 4], "big"))
            yield marker, raw[position:end]
            position = end


def _is_kept(marker: int, body: bytes) -> bool:
    if marker == FIRST_APP:
        return body.startswith(b"JFIF\0") and len(body) >= JFIF_BYTES
    if marker == 0xEE:
        return body.startswith(b"Adobe") and len(body) >= ADOBE_BYTES
    return not (FIRST_APP <= marker <= LAST_APP or marker == COMMENT)


def _n_pictures(mpf: bytes) -> int:
    """Return how many pictures an index of the multi-picture format lists."""
    reader = TiffReader(mpf)
    if not reader.first:
        return 1
    ifd = reader.ifd(reader.first)
    n_pictures = reader.number(ifd, N_PICTURES, 1)
    return n_pictures if len(reader.content(ifd, PICTURES)) >= 16 * n_pictures > 16 else 1
