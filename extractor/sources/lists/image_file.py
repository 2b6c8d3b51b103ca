"""A single image file as a source."""

from __future__ import annotations

from ..files.names import is_image_name
from ..kind import SourceKind
from .path_list import open_paths

KIND = SourceKind(
    name="image file",
    expected="an image file",
    open=lambda files, names, _options: open_paths(
        files, list(names), f"{files.location}/{names[0]}", "the file"
    ),
    reads=lambda _files, name: is_image_name(name),
)
