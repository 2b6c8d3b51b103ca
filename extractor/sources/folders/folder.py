"""Folders of image files: one subfolder per class, splits above them, or flat."""

from __future__ import annotations

import os

from ....cache import Listing, StringColumn
from ....cache.errors import SourceFormatError
from ..files.files import Files, Tree, shown
from ..files.names import NOT_IMAGES, ending
from ..labels import call_by_name, encode_labels, encode_splits
from ..source import Contents, FileSource, count_endings
from ..source_options import SourceOptions
from .label_table import labels_beside
from .layout import read_layout


def image_names(tree: Tree) -> list[str]:
    """Return the files that do not say by their ending that they are no images, in order.

    The others count as images, so that a broken one is reported and not overlooked.
    """
    return sorted((n for n in tree.names if ending(n) not in NOT_IMAGES), key=os.fsencode)


def open_folder(files: Files, tree: Tree, options: SourceOptions) -> FileSource:
    """Open the images below a folder, in the order of their relative paths.

    Raises
    ------
    SourceFormatError
        There is no image below the folder, or splits lie beside other folders.
    """
    paths = image_names(tree)
    left_out = count_endings([ending(n) for n in tree.names if ending(n) in NOT_IMAGES])
    if not paths:
        others = shown(f"{n} {suffix}" for suffix, n in left_out.items()) or "nothing"
        raise SourceFormatError(
            f"no image files in {files.location} (found {others}). Expected images, or one "
            "subfolder of images per class"
        )
    names = StringColumn.from_strings(paths)
    layout = read_layout(paths, tree.folders, files.location)
    splits = encode_splits(layout.splits, files.location)
    if layout.has_classes:
        labels, class_names = encode_labels(layout.classes)
        class_names, renamed = call_by_name(class_names, files)
        listing = Listing(names, labels, splits, None, class_names)
        origin, notes = layout.origin, [*layout.notes, *renamed]
    else:
        beside = labels_beside(files, tree, paths, options)
        labels, class_names = encode_labels(beside.labels)
        class_names, renamed = call_by_name(class_names, files)
        own_splits = encode_splits(beside.splits, files.location)
        splits = own_splits if (own_splits >= 0).any() else splits
        listing = Listing(names, labels, splits, beside.groups, class_names)
        origin = beside.origin or layout.origin
        notes = [*layout.notes, *renamed, *beside.notes]
        left_out = count_endings(
            [ending(n) for n in tree.names if ending(n) in NOT_IMAGES and n not in beside.tables]
        )
    contents = Contents(listing, origin, (*notes, *tree.notes()), left_out)
    return FileSource(files, names, files.location, contents)
