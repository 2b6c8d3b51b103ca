"""GIF: how many frames there are (GIF89a, appendix A)."""

from __future__ import annotations

from .container import Container

EXTENSION, FRAME = 0x21, 0x2C


def read_gif(raw: bytes) -> Container:
    """Take a GIF apart: one frame, or several."""
    position = 13 + _table_size(raw[10:11])
    n_frames = 0
    while n_frames < 2 and position < len(raw):
        block = raw[position]
        if block == EXTENSION:
            position = _after_sub_blocks(raw, position + 2)
        elif block == FRAME:
            n_frames += 1
            colours = _table_size(raw[position + 9 : position + 10])
            position = _after_sub_blocks(raw, position + 11 + colours)
        else:
            break
    return Container(raw, "GIF", n_pictures=max(1, n_frames))


def _table_size(flags: bytes) -> int:
    return 3 << (flags[0] & 7) + 1 if flags and flags[0] & 0x80 else 0


def _after_sub_blocks(raw: bytes, position: int) -> int:
    while position < len(raw) and raw[position]:
        position += 1 + raw[position]
    return position + 1
