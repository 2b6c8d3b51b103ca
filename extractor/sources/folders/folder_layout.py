"""What folders say: the class of each image, its split, and what lies there besides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from ....cache.errors import SourceFormatError
from ..files.files import plural, shown
from ..labels import SPLIT_NAMES, similar_classes, split_name, split_within

PLAIN_FOLDERS = frozenset(
    (
        *("images", "image", "imgs", "img", "photos", "photo", "pictures", "data", "dataset"),
        *("jpg", "jpeg", "jpegs", "jpegimages", "png", "all", "files", "raw"),
    )
)


@dataclass
class FolderLayout:
    """What the folders say of images.

    Attributes
    ----------
    classes, splits : list of str or None, one for each image
    origin : str
    notes : list of str
    image_folders : list of str
        The folders that the classes lie in, or the images where there are none: empty or ending in
        a slash.
    """

    classes: list[str | None]
    splits: list[str | None]
    origin: str
    notes: list[str] = field(default_factory=list)
    image_folders: list[str] = field(default_factory=lambda: [""])

    @property
    def n_classes(self) -> int:
        """How many class folders there are."""
        return len({name for name in self.classes if name})


@dataclass(frozen=True)
class _Level:
    """The images below one folder: those right in it, and the folders with further ones."""

    n_images: int
    folders: dict[str, bool]
    """Whether images lie right in the folder."""
    deeper: frozenset[str]
    """Folders in which images lie in a folder further down."""

    @classmethod
    def of(cls, paths: Sequence[str], start: str) -> _Level:
        n_images = 0
        flat: set[str] = set()
        deep: set[str] = set()
        for path in paths:
            if not path.startswith(start):
                continue
            folder, slash, rest = path[len(start) :].partition("/")
            if not slash:
                n_images += 1
            else:
                (deep if "/" in rest else flat).add(folder)
        return cls(n_images, {name: name in flat for name in sorted(flat | deep)}, frozenset(deep))


def read_layout(paths: Sequence[str], folders: Sequence[str], location: str) -> FolderLayout:
    """Understand the folders of images: splits above classes, classes, or neither.

    A folder that holds nothing but one further folder is looked through, and so is one called
    ``images`` or the like.

    Parameters
    ----------
    paths : sequence of str
        Images, relative to the source.
    folders : sequence of str
        All folders, with or without images.
    location : str
        For messages.

    Raises
    ------
    SourceFormatError
        Folders of splits lie beside others.
    """
    wrapper = _look_through(paths, "", splits_end=True)
    level = _Level.of(paths, wrapper)
    splits = _split_folders(level, f"{location}/{wrapper}".rstrip("/"))
    notes = [f"looked through {wrapper}"] if wrapper else []
    if splits:
        starts = {}
        for folder in splits:
            start = f"{wrapper}{folder}/"
            inner = _look_through(paths, start, splits_end=False)
            starts[inner] = splits[folder]
            if inner != start:
                notes.append(f"looked through {inner}")
        layout = _read_classes(paths, starts, "its folders of splits")
        layout.image_folders.append(wrapper)
        if level.n_images:
            notes.append(f"{plural(level.n_images, 'image')} beside the splits, in none")
    else:
        layout = _read_classes(paths, {wrapper: ""}, "the images in it")
        notes += _class_called_split(level)
        notes += _split_below_classes(layout, paths, wrapper)
    layout.notes = notes + layout.notes + _empty_classes(layout, paths, folders)
    return layout


def _look_through(paths: Sequence[str], start: str, splits_end: bool) -> str:
    """Return the folder, below ``start``, at which splits, classes or images begin."""
    while True:
        level = _Level.of(paths, start)
        if level.n_images or len(level.folders) != 1:
            return start
        (folder,) = level.folders
        if splits_end and split_name(folder):
            return start
        is_flat = level.folders[folder]
        if is_flat and (folder.lower() not in PLAIN_FOLDERS or folder in level.deeper):
            return start
        start = f"{start}{folder}/"


def _split_folders(level: _Level, where: str) -> dict[str, str]:
    """Return the split of each folder at the top; empty where they are classes."""
    splits = {folder: split_name(folder) for folder in level.folders if split_name(folder)}
    if len(splits) < len(level.folders):
        splits = _splits_of_one_prefix(level) or splits
    others = [folder for folder in level.folders if folder not in splits]
    if not splits or not others:
        return splits
    has_classes = any(folder in level.deeper for folder in splits)
    if len(set(splits.values())) == 1 and not has_classes:
        return {}  # `train` is a vehicle
    raise SourceFormatError(
        f"{where} holds the splits {', '.join(splits)} and beside them {shown(others)}. Expected "
        "nothing but train, val and test, or nothing but classes. Move the other folders away, or "
        f"name one folder as the source, such as {where}/{next(iter(splits))}"
    )


def _splits_of_one_prefix(level: _Level) -> dict[str, str]:
    """Return the splits of folders such as ``seg_train`` and ``seg_test``."""
    within = {folder: split_within(folder) for folder in level.folders}
    splits = {folder: split for folder, (split, _) in within.items() if split}
    prefixes = {within[folder][1] for folder in splits}
    return splits if len(prefixes) == 1 and len(set(splits.values())) > 1 else {}


def _read_classes(paths: Sequence[str], starts: dict[str, str], flat_origin: str) -> FolderLayout:
    classes: list[str | None] = []
    splits: list[str | None] = []
    known: dict[str, str] = {}  # a million images share the names of their classes
    for path in paths:
        start = next((start for start in starts if path.startswith(start)), None)
        folder, slash, _ = ("", "", "") if start is None else path[len(start) :].partition("/")
        classes.append(known.setdefault(folder, folder) if slash else None)
        splits.append(starts[start] if start else None)
    n_flat = sum(name is None for name in classes)
    layout = FolderLayout(classes, splits, flat_origin, image_folders=list(starts))
    if n_flat < len(paths):
        above = "classes in splits" if any(splits) else "classes"
        layout.origin = f"its folders ({above})"
        if n_flat and not any(splits):
            layout.notes.append(f"{plural(n_flat, 'image')} beside the class folders without label")
    layout.notes += similar_classes({name for name in classes if name})
    return layout


def _class_called_split(level: _Level) -> list[str]:
    named = [folder for folder in level.folders if split_name(folder)]
    return [f"{named[0]} is taken as a class, for other classes lie beside it"] if named else []


def _split_below_classes(layout: FolderLayout, paths: Sequence[str], start: str) -> list[str]:
    """Take the splits of ``cat/train/1.jpg``, where every image lies in such a folder."""
    below = (path[len(start) :].split("/", 2) for path in paths)
    if not all(len(parts) == 3 and parts[1].lower() in SPLIT_NAMES for parts in below):
        return []
    layout.splits = [split_name(path[len(start) :].split("/", 2)[1]) for path in paths]
    layout.origin = "its folders (splits in classes)"
    return []


def _empty_classes(layout: FolderLayout, paths: Sequence[str], folders: Sequence[str]) -> list[str]:
    """Name the folders beside the classes that hold no image."""
    filled = set()
    for start in layout.image_folders:
        for path in paths:
            if path.startswith(start):
                filled.add(start + path[len(start) :].partition("/")[0])
    empty = [
        folder
        for start in layout.image_folders
        for folder in sorted(folders)
        if folder.startswith(start) and "/" not in folder[len(start) :] and folder not in filled
    ]
    return [f"no image in {shown(f'{folder}/' for folder in empty)}"] if empty else []
