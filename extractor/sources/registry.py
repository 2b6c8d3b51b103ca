"""All kinds of sources; of those that answer to a file, the first one opens it."""

from __future__ import annotations

from .archives import webdataset, zip
from .arrays import binaries, cifar_pickle, idx, numpy_file, pixel_table, sample
from .kind import SourceKind
from .lists import image_file, path_list
from .tables import image_rows, table

KINDS: tuple[SourceKind, ...] = (
    sample.KIND,
    path_list.STANDARD_INPUT_KIND,
    idx.KIND,
    binaries.KIND,
    cifar_pickle.KIND,
    webdataset.KIND,
    pixel_table.KIND,
    image_rows.KIND,
    table.KIND,
    numpy_file.KIND,
    zip.KIND,
    path_list.KIND,
    image_file.KIND,
)


def expected() -> str:
    """Return what can be given as a source, for messages."""
    kinds = ", ".join(kind.expected for kind in KINDS)
    return f"a folder of images, a folder with one subfolder per class, {kinds}"
