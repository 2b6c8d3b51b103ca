"""Lists of paths: a text file with one a line, standard input, or several typed paths."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ....cache import NO_LABEL, NO_SPLIT, Listing, StringColumn
from ....cache.errors import EmptySourceError, SourceFormatError
from ..files.files import Files, plural
from ..files.local import LocalFiles
from ..kind import SourceKind
from ..source import Contents, FileSource
from ..source_options import SourceOptions
from ..tables.find_files import find_files

ENDINGS = (".txt", ".lst")
STANDARD_INPUT = "-"


def open_list(files: Files, names: Sequence[str], _options: SourceOptions) -> FileSource:
    """Open the images that a text file lists, one path a line, relative to the file's folder.

    Raises
    ------
    SourceFormatError
        The file lists nothing, or not one file that it lists is there.
    """
    location = f"{files.location}/{names[0]}"
    try:
        content = files.read(names[0])
    except OSError as error:
        raise SourceFormatError(f"{location} cannot be read ({error})") from error
    return open_paths(files, _lines(content), location, f"the paths in {names[0]}")


def open_standard_input(
    _files: Files, _names: Sequence[str], _options: SourceOptions
) -> FileSource:
    """Open the images whose paths come on standard input, one a line or ended by a zero byte."""
    lines = _lines(sys.stdin.buffer.read())
    files = LocalFiles(Path.cwd())
    return open_paths(files, lines, "standard input", "the paths on standard input")


def open_paths(files: Files, paths: Sequence[str], location: str, origin: str) -> FileSource:
    """Open image files by their paths, in the order given.

    Raises
    ------
    SourceFormatError
        There are none, not one is there, or one is given twice.
    """
    if not paths:
        raise EmptySourceError(f"{location} lists nothing. Expected one path of an image a line")
    distinct = list(dict.fromkeys(paths))
    image_files = find_files(files, distinct, location)
    ids = StringColumn.from_strings(distinct)
    names = ids if image_files.names == distinct else StringColumn.from_strings(image_files.names)
    n_samples = len(ids)
    n_repeated = len(paths) - n_samples
    repeated = (f"{plural(n_repeated, 'path')} given again",) if n_repeated else ()
    listing = Listing(
        ids, np.full(n_samples, NO_LABEL), np.full(n_samples, NO_SPLIT, np.int8), None, ()
    )
    contents = Contents(listing, origin, (*image_files.notes, *repeated))
    return FileSource(files, names, location, contents, image_files.stamps)


def _lines(content: bytes) -> list[str]:
    """Return the paths: ended by zero bytes as ``find -print0`` does, else one a line."""
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        text = content.decode("utf-16", "replace")
    else:
        text = content.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "surrogateescape")
    ends = "\0" if "\0" in text else "\n"
    lines = (line.removesuffix("\r") for line in text.split(ends))
    return [line for line in lines if line.strip()]


KIND = SourceKind(
    name="list of paths",
    expected="a .txt of paths, one a line",
    open=open_list,
    reads=lambda _files, name: name.lower().endswith(ENDINGS),
)
STANDARD_INPUT_KIND = SourceKind(
    name="standard input",
    expected="- for paths on standard input",
    open=open_standard_input,
    word=STANDARD_INPUT,
)
