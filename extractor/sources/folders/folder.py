"""Folders of image files: one subfolder per class, splits above them, or flat."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence

from ....cache import Listing, StringColumn
from ....cache.errors import EmptySourceError
from ..files.files import Files, Tree, shown
from ..files.names import NOT_IMAGES, ending
from ..labels import call_by_name, encode_labels, encode_splits
from ..source import Contents, FileSource
from ..source_options import SourceOptions
from .folder_layout import read_layout
from .label_table import labels_beside


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
    left_out = _left_out(tree)
    if not paths:
        others = shown(f"{n} {suffix}" for suffix, n in left_out.items()) or "nothing"
        raise EmptySourceError(
            f"no image files in {files.location} (found {others}). Expected images, or one "
            "subfolder of images per class"
        )
    names = StringColumn.from_strings(paths)
    layout = read_layout(paths, tree.folders, files.location)
    splits = encode_splits(layout.splits, files.location)
    classes, groups, origin = layout.classes, None, layout.origin
    notes = layout.notes
    if layout.n_classes < 2:
        beside = labels_beside(files, tree, paths, options)
        notes = [*notes, *beside.notes]
        if beside.tables:
            classes, groups, origin = beside.labels, beside.groups, beside.origin
            given = encode_splits(beside.splits, files.location)
            splits = given if (given >= 0).any() else splits
            left_out = _left_out(tree, beside.tables)
    elif options.names_columns:
        notes = [*notes, "options for columns are not used: the folders name the classes"]
    labels, class_names = encode_labels(classes)
    class_names, renamed = call_by_name(class_names, files)
    listing = Listing(names, labels, splits, groups, class_names)
    notes = [*notes, *renamed]
    contents = Contents(listing, origin, (*notes, *tree.notes()), left_out)
    return FileSource(files, names, files.location, contents)


def _left_out(tree: Tree, used: Sequence[str] = ()) -> dict[str, int]:
    """Count the files that say that they are no images, save those that were used, by ending."""
    endings = Counter(ending(name) for name in tree.names if name not in used)
    return {suffix: n for suffix, n in sorted(endings.items()) if suffix in NOT_IMAGES}
