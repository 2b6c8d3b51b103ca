"""A single image file as a source."""

from __future__ import annotations

from ..files.files import Files
from ..files.names import ending, is_image_name
from ..kind import SourceKind
from .path_list import open_paths

SIGNATURES = (b"\xff\xd8\xff", b"\x89PNG", b"GIF8", b"RIFF", b"BM", b"II*\0", b"MM\0*")


def is_image_file(files: Files, name: str) -> bool:
    """Tell whether a file is an image by its ending; without one, by its first bytes."""
    if ending(name):
        return is_image_name(name)
    try:
        return files.read_range(name, 0, 8).startswith(SIGNATURES)
    except OSError:
        return False


KIND = SourceKind(
    name="image file",
    expected="an image file",
    open=lambda files, names, _options: open_paths(
        files, list(names), f"{files.location}/{names[0]}", "the file"
    ),
    reads=is_image_file,
)
