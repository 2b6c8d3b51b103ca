"""The one door to all sources."""

from __future__ import annotations

import glob
import hashlib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from ...cache.errors import ConfigError, EmptySourceError, SourceFormatError, SourceNotFoundError
from ...cache.places.file_system import is_url
from .files.files import Files, Tree, plural, shown
from .files.local import LocalFiles
from .files.locate import locate
from .files.names import NOT_IMAGES, ending, is_image_name, is_visible
from .folders.folder import open_folder
from .kind import SourceKind
from .lists.image_file import is_image_file
from .lists.path_list import open_paths
from .registry import KINDS, expected
from .several import SeveralSources
from .source import Source
from .source_options import SourceOptions

Location = str | Path | Source
N_DIGITS = 12
NOT_USED = "options for columns are not used: this is no table"
ADVICE = {
    **dict.fromkeys((".xlsx", ".xls", ".ods"), "Save the sheet as CSV"),
    **dict.fromkeys((".gz", ".tgz", ".bz2", ".xz", ".zst", ".7z", ".rar"), "Unpack it first"),
    **dict.fromkeys((".pkl", ".pickle"), "A pickle can run code: store arrays as .npz"),
    **dict.fromkeys((".h5", ".hdf5", ".mat"), "Store the arrays as .npz"),
    **dict.fromkeys((".mdb", ".lmdb"), "LMDB has no common layout: write .tar shards from it"),
    **dict.fromkeys((".tfrecord",), "Write the images to files or .tar shards"),
    **dict.fromkeys((".mp4", ".mov", ".avi", ".mkv", ".webm"), "Write the frames to files"),
}


def open_source(
    location: Location | Sequence[Location], options: SourceOptions | None = None
) -> Source:
    """Open the source at ``location``.

    Parameters
    ----------
    location : path, URL, Source, or a sequence of them
        A folder of images (flat, by class, or by split and class), a table (``.csv``, ``.tsv``,
        ``.jsonl``, ``.parquet``), arrays (``.npz``, ``.npy``, IDX, a CSV of pixels), WebDataset
        shards (``.tar``, or a folder of them), a ``.zip``, an image, a ``.txt`` of paths, a pattern
        such as ``photos/*.jpg``; any of these behind a URL that fsspec knows, such as ``s3://``;
        the word ``sample``; or ``-`` for paths on standard input. Several become one source.
    options : SourceOptions, optional
        How tables are read.

    Returns
    -------
    Source
        Images in a fixed order; ``understood`` says how the location was read.

    Raises
    ------
    SourceNotFoundError
        There is nothing at ``location``.
    SourceFormatError
        There is something, but no source that featx reads.
    """
    options = options or SourceOptions()
    if isinstance(location, str | Path):
        return _open_one(location, options)
    if not isinstance(location, Sequence):
        return location
    if not location:
        raise ConfigError("no source given. Expected one or more of: " + expected())
    if len(location) == 1:
        return open_source(location[0], options)
    return _open_several(list(location), options)


def _open_one(location: str | Path, options: SourceOptions) -> Source:
    if not str(location).strip():
        raise SourceNotFoundError(f"the source's name is empty. Expected {expected()}")
    kind = next((kind for kind in KINDS if kind.word == str(location)), None)
    if kind and not Path(location).exists():
        return kind.open(LocalFiles(Path()), [], options)
    matches = _matches(location)
    if matches:
        return _open_several(matches, options)
    try:
        files, name = locate(location)
    except SourceNotFoundError as error:
        raise SourceNotFoundError(f"{error}. Expected {expected()}") from None
    if name is None:
        return _open_folder(files, options)
    return _open_file(files, name, options)


def _matches(location: str | Path) -> list[Location]:
    """Return what a pattern such as ``photos/*.jpg`` stands for; nothing where it is a path.

    Raises
    ------
    EmptySourceError, SourceNotFoundError
        No file or folder fits the pattern; its folder is there, or is not.
    """
    text = str(location)
    if is_url(text) or not glob.has_magic(text) or Path(location).exists():
        return []
    paths = sorted(map(Path, glob.glob(text, recursive=True)))  # noqa: PTH207 (a pattern may be absolute)
    kept = [
        p for p in paths if is_visible(p.name) and (p.is_dir() or ending(p.name) not in NOT_IMAGES)
    ]
    if not kept:
        kind = EmptySourceError if Path(text).parent.is_dir() else SourceNotFoundError
        raise kind(f"no image or folder fits the pattern {text}")
    if "**" in text:  # the folders' images are among the files
        kept = [path for path in kept if not path.is_dir()] or kept
    return list(map(str, kept))


def _open_several(locations: Sequence[Location], options: SourceOptions) -> Source:
    """Open several locations; image files that stand alone make one source together."""
    standing_alone = list(map(_stands_alone, locations))
    alone = [str(p) for p, stands in zip(locations, standing_alone, strict=True) if stands]
    if len(alone) == len(locations):
        return _open_images(alone)
    parts: list[tuple[Source, str]] = []
    if alone:
        parts.append((_open_images(alone), ""))
    for location, stands in zip(locations, standing_alone, strict=True):
        if not stands:
            source = open_source(location, options)
            typed = str(location) if isinstance(location, str | Path) else source.name
            parts.append((source, typed))
    counts = Counter(source.location for source, _ in parts)
    repeated = dict.fromkeys(name for source, name in parts if counts[source.location] > 1)
    if repeated:
        raise SourceFormatError(f"{shown(repeated)}: given twice. Name each source once")
    return SeveralSources([source for source, _ in parts], [name for _, name in parts])


def _open_images(paths: Sequence[str]) -> Source:
    digest = hashlib.sha256("\0".join(paths).encode("utf-8", "surrogateescape")).hexdigest()
    location = (
        f"{plural(len(paths), 'file')}, the first {Path(paths[0]).absolute()} ({digest[:N_DIGITS]})"
    )
    return open_paths(LocalFiles(Path()), paths, location, "the files given")


def _stands_alone(location: Location) -> bool:
    """Tell whether a location is an image file of this machine."""
    if not isinstance(location, str | Path) or is_url(str(location)):
        return False
    return Path(location).is_file() and is_image_file(LocalFiles(Path()), str(location))


def _open_file(files: Files, name: str, options: SourceOptions) -> Source:
    for kind in KINDS:
        if kind.reads(files, name):
            if kind.unpack:
                return _open_folder(kind.unpack(files, name), options)
            source = kind.open(files, [name], options)
            if options.names_columns and not kind.reads_columns:
                source.understood += f"; {NOT_USED}"
            return source
    advice = ADVICE.get(ending(name))
    raise SourceFormatError(
        f"{files.location}/{name} is a file that featx cannot read as a source. "
        + (f"{advice}. " if advice else "")
        + f"Expected {expected()}"
    )


def _open_folder(files: Files, options: SourceOptions) -> Source:
    """Open a folder as what it mostly is: images, or files that make a source together."""
    tree = files.walk()
    n_images = sum(map(is_image_name, tree.names))
    together = _files_together(files, tree, n_images)
    kind, names = max(together.items(), key=lambda item: len(item[1]), default=(None, []))
    if kind is not None and len(names) >= n_images:
        source = kind.open(files, names, options)
        others = [kind for kind in together if together[kind] is not names]
        left = [plural(n_images, "image")] if n_images else []
        left += [f"{len(together[kind])} {kind.name}" for kind in others]
    else:
        gathered = {name for names in together.values() for name in names}
        tree.names = [name for name in tree.names if name not in gathered]
        if all(ending(name) in NOT_IMAGES for name in tree.names):
            return _open_only_file(files, tree, options)
        source = open_folder(files, tree, options)
        left = sorted(gathered)
    if left:
        source.understood += f"; passed over {shown(left)}"
    return source


def _files_together(files: Files, tree: Tree, n_images: int) -> dict[SourceKind, list[str]]:
    """Return the files of each kind of which several make one source.

    They lie right in the folder; where it holds no image, anywhere below.
    """
    top = sorted(name for name in tree.names if "/" not in name)
    for names in (top, [] if n_images else sorted(tree.names)):
        together = {
            kind: answering
            for kind in KINDS
            if kind.gathers and (answering := [n for n in names if kind.reads(files, n)])
        }
        if together:
            return together
    return {}


def _open_only_file(files: Files, tree: Tree, options: SourceOptions) -> Source:
    """Open the one file of a folder without images that is a source."""
    readable = [n for n in sorted(tree.names) if any(kind.reads(files, n) for kind in KINDS)]
    if len(readable) == 1:
        return _open_file(files, readable[0], options)
    try:
        return open_folder(files, tree, options)
    except SourceFormatError as error:
        hint = f". Or name one of its files: {shown(readable)}" if readable else ""
        advice = dict.fromkeys(ADVICE.get(ending(name), "") for name in sorted(tree.names))
        hint += "".join(f". {text}" for text in advice if text and not readable)
        raise type(error)(f"{error}{hint}") from None
