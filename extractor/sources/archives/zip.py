"""Zip archives: what is in one is read as a folder would be."""

from __future__ import annotations

from ..files.zipped import ZipFiles
from ..folders.folder import open_folder
from ..kind import SourceKind

ENDING = ".zip"
KIND = SourceKind(
    name="zip archive",
    expected="a zip archive of images",
    open=lambda files, names, options: open_folder(
        unpacked := ZipFiles(files, names[0]), unpacked.walk(), options
    ),
    reads=lambda _files, name: name.lower().endswith(ENDING),
    unpack=ZipFiles,
)
