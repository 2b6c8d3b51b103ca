"""The bundled sample: 2,500 images of Fashion-MNIST (Xiao, Rasul, Vollgraf; arXiv:1708.07747)."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from ....cache import SPLITS, StringColumn
from ....cache.output_path import output_folder
from ..files.local import LocalFiles
from ..kind import SourceKind
from ..source_options import SourceOptions
from .arrays import ArraySource
from .idx import find_idx, open_idx

SAMPLE = "sample"
LOCATION = "the bundled Fashion-MNIST sample"
FOLDER = Path(__file__).resolve().parents[2] / "data" / "fashion_sample"


def open_sample() -> ArraySource:
    """Return the bundled sample: 2,000 train and 500 test images in 10 balanced classes."""
    files = LocalFiles(FOLDER)
    source = open_idx(files, find_idx(files.list_folder()), SourceOptions())
    source.name, source.location = "fashion-sample", LOCATION
    return source


def typed_location(location: str) -> str:
    """Return what a person types to open the source at a manifest's ``location`` again."""
    return SAMPLE if location == LOCATION else location


def write_sample(folder: Path, split: str) -> int:
    """Write one split of the sample as PNG files, a folder per class; returns how many.

    Raises
    ------
    ConfigError
        ``folder`` exists and is not empty, or cannot be written.
    """
    folder = output_folder(folder, "the sample", lambda path: min(path.iterdir(), default=None))
    source = open_sample()
    listing = source.listing()
    ids: StringColumn = listing.sample_ids
    wanted = [i for i in range(len(listing)) if SPLITS[listing.splits[i]] == split]
    for index in wanted:
        name = listing.class_names[listing.labels[index]].replace("/", "-")
        target = folder / name / f"{ids[index].split('/')[1]}.png"
        target.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(source.read(index)).save(target)
    return len(wanted)


KIND = SourceKind(
    name="sample",
    expected="the word `sample` for the bundled sample",
    open=lambda _files, _names, _options: open_sample(),
    word=SAMPLE,
)
