"""GIF: the first frame with what decides its pixels, and how many frames there are.

GIF89a, sections 15 to 27 and appendix A.
"""

from __future__ import annotations

from .image_container import ImageContainer

EXTENSION, FRAME, TRAILER = 0x21, 0x2C, 0x3B
GRAPHIC_CONTROL = 0xF9


def read_gif(raw: bytes) -> ImageContainer:
    """Take a GIF apart: comments and other extensions in front of the first frame are left out."""
    start = 13 + _table_size(raw[10:11])
    position, control = start, b""
    while position < len(raw) and raw[position] == EXTENSION:
        end = _after_sub_blocks(raw, position + 2)
        if raw[position + 1 : position + 2] == bytes([GRAPHIC_CONTROL]):
            control = raw[position:end]
        position = end
    if position >= len(raw) or raw[position] not in (FRAME, TRAILER):
        # A damaged extension: go on at a frame that fills the screen.
        position = raw.find(bytes([FRAME, 0, 0, 0, 0]) + raw[6:10], start)
    if position in (-1, start):
        return ImageContainer(raw, "GIF", n_pictures=_n_frames(raw, start))
    data = raw[:start] + control + raw[position:]
    return ImageContainer(data, "GIF", n_pictures=_n_frames(raw, position))


def _n_frames(raw: bytes, position: int) -> int:
    """Return 2 where a second frame follows; else 1."""
    n_frames = 0
    while n_frames < 2 and 0 <= position < len(raw):
        if raw[position] == EXTENSION:
            position = _after_sub_blocks(raw, position + 2)
        elif raw[position] == FRAME:
            n_frames += 1
            colours = _table_size(raw[position + 9 : position + 10])
            position = _after_sub_blocks(raw, position + 11 + colours)
        else:
            break
    return max(1, n_frames)


def _table_size(flags: bytes) -> int:
    return 3 << (flags[0] & 7) + 1 if flags and flags[0] & 0x80 else 0


def _after_sub_blocks(raw: bytes, position: int) -> int:
    while position < len(raw) and raw[position]:
        position += 1 + raw[position]
    return position + 1
