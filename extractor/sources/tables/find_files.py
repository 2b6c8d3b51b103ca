"""The files that the rows of a table or list name, however they are written."""

from __future__ import annotations

import posixpath
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ....cache.errors import SourceFormatError
from ....cache.places.file_system import is_url
from ..files.files import Files, Stamp, plural, shown
from ..files.local import LocalFiles
from ..files.locate import file_url_path
from ..files.names import NOT_IMAGES, ending, is_image_name
from ..files.remote import RemoteFiles
from ..source import stamp_array

MAX_REMOTE_PROBES = 20
ROW_A_BOX = "where a row is a box in it: --crop-columns x,y,w,h"


@dataclass(frozen=True)
class FoundFiles:
    """The files of rows.

    Attributes
    ----------
    names : list of str
        For each row; what the row says where there is no such file.
    stamps : ndarray of int64, shape (n_rows, 3)
    notes : tuple of str
        What was done to find them, and how many are missing.
    """

    names: list[str]
    stamps: NDArray[np.int64]
    notes: tuple[str, ...]


def find_files(
    files: Files, texts: Sequence[str], where: str, is_repeatable: bool = False
) -> FoundFiles:
    """Find the file of each row: as it is written, else in another case, by its stem, elsewhere.

    Paths are relative to ``files``. Where not one is found so, they are looked for relative to the
    folder above, to the working folder, and in all folders below. Where they are repeatable, a file
    may be that of several rows.

    Raises
    ------
    SourceFormatError
        Not one file is found, a row fits several, or it is a URL.
    """
    distinct = list(dict.fromkeys(texts)) if is_repeatable else list(texts)
    search = _Search(files, [_plain(text, where) for text in distinct], where)
    search.as_written()
    if search.n_missing:
        search.in_their_folders()
    if search.n_missing == len(distinct):
        search.from_other_folders()
    if search.n_missing == len(distinct):
        search.below()
    if search.n_missing == len(distinct):
        raise SourceFormatError(_nothing_found(files, distinct, where))
    if not is_repeatable:
        search.refuse_repeats()
        return search.result()
    return _of_rows(search.result(), texts, distinct)


def _of_rows(found: FoundFiles, texts: Sequence[str], distinct: Sequence[str]) -> FoundFiles:
    """Return the files of all rows from those of the distinct paths."""
    number = {text: index for index, text in enumerate(distinct)}
    rows = [number[text] for text in texts]
    return FoundFiles([found.names[row] for row in rows], found.stamps[rows], found.notes)


class FileIndex:
    """Finds files by the ends of their paths, whatever their case, with and without ending.

    A name alone is enough only where one of the paths has no folder: ``cat/1.png`` is not
    ``dog/1.png``, but it is ``/data/cat/1.png``.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._by_name: dict[str, list[str]] = defaultdict(list)
        self._by_stem: dict[str, list[str]] = defaultdict(list)
        for name in sorted(names):
            key = fold(name)
            for end in _ends(key):
                self._by_name[end].append(name)
            if ending(name) not in NOT_IMAGES:
                for end in _ends(_stem(key)):
                    self._by_stem[end].append(name)

    def find(self, text: str) -> list[str]:
        """Return the files whose paths agree with the most folders of ``text``."""
        key = fold(text).strip("/")
        name, folder_and_name = _ends(key)
        ends = (name,) if "/" not in key else (folder_and_name, f"/{name}")
        for by_end, form in ((self._by_name, fold), (self._by_stem, _folded_stem)):
            for end in ends:
                if end in by_end:
                    return _closest(key, by_end[end], form)
        return []


class _Search:
    """Rows, and what was found of each."""

    def __init__(self, files: Files, texts: list[str], where: str) -> None:
        self.files, self.texts, self.where = files, texts, where
        self.names = list(texts)
        self.stamps: list[Stamp | None] = [None] * len(texts)
        self.n_missing = len(texts)
        self.notes: list[str] = []

    def as_written(self) -> None:
        """Take every path that leads to a file; a URL's first few stand for all."""
        rows: Sequence[int] = range(len(self.texts))
        if isinstance(self.files, RemoteFiles):
            probes = np.unique(np.linspace(0, len(rows) - 1, MAX_REMOTE_PROBES).astype(int))
            if all(self.files.stamp(self.texts[row]) is None for row in probes.tolist()):
                return
        for row in rows:
            self._take(row, self.texts[row])

    def in_their_folders(self) -> None:
        """Look for what is missing among the files of the folder that its path names."""
        n_before = self.n_missing
        indices: dict[str, FileIndex] = {}
        for row in self._missing():
            text = _forward(self.texts[row])
            folder = posixpath.dirname(text)
            if folder not in indices:
                prefix = f"{folder.rstrip('/')}/" if folder else ""
                listed = self.files.list_folder(folder)
                indices[folder] = FileIndex(prefix + name for name in listed)
            self._take_only(row, indices[folder].find(text))
        n_found = n_before - self.n_missing
        if n_found:
            self.notes.append(f"{n_found} of {len(self.texts)} paths {self._difference()}")

    def from_other_folders(self) -> None:
        """Try the folder above and the working folder."""
        if not isinstance(self.files, LocalFiles):
            return
        for folder in (self.files.root.absolute().parent, Path.cwd()):
            for row in range(len(self.texts)):
                self._take(row, str(folder / _forward(self.texts[row])))
            if self.n_missing < len(self.texts):
                self.notes.append(f"paths are relative to {folder}")
                return

    def below(self) -> None:
        """Look in all folders below."""
        index = FileIndex(self.files.walk().names)
        for row in self._missing():
            self._take_only(row, index.find(_forward(self.texts[row])))
        folders = {posixpath.dirname(name) for name, at in self._pairs() if at is not None}
        if folders:
            listed = shown(sorted(f"{folder or '.'}/" for folder in folders))
            self.notes.append(f"files found by their names in {listed}")

    def refuse_repeats(self) -> None:
        """Refuse two rows that are one file."""
        rows: dict[str, int] = {}
        for row, (name, stamp) in enumerate(self._pairs()):
            first = rows.setdefault(posixpath.normpath(name), row)
            if stamp is not None and first != row:
                raise SourceFormatError(
                    f"{self.where}: rows {first + 1} and {row + 1}, {self.texts[first]!r} and "
                    f"{self.texts[row]!r}, are one file, {name}. Expected one row for each image "
                    f"({ROW_A_BOX})"
                )

    def result(self) -> FoundFiles:
        """Return what was found, and say what was not."""
        if self.n_missing:
            missing = self.texts[self._missing()[0]]
            self.notes.append(
                f"{self.n_missing} of {plural(len(self.texts), 'file')} missing, first {missing}"
            )
        return FoundFiles(self.names, stamp_array(self.stamps), tuple(self.notes))

    def _pairs(self) -> Iterable[tuple[str, Stamp | None]]:
        return zip(self.names, self.stamps, strict=True)

    def _missing(self) -> list[int]:
        return [row for row, stamp in enumerate(self.stamps) if stamp is None]

    def _take(self, row: int, name: str) -> None:
        stamp = self.files.stamp(name)
        if stamp is not None:
            self.names[row], self.stamps[row] = name, stamp
            self.n_missing -= 1

    def _take_only(self, row: int, matches: list[str]) -> None:
        if len(matches) > 1:
            raise SourceFormatError(
                f"{self.where}: row {row + 1}, {self.texts[row]!r}, fits several files: "
                f"{shown(matches)}. Expected paths with the folder and the ending"
            )
        if matches:
            self._take(row, matches[0])

    def _difference(self) -> str:
        """Say how the paths differ from the files."""
        pairs = [(t, n) for t, n in zip(self.texts, self.names, strict=True) if t != n]
        if all("\\" in text for text, _ in pairs):
            return "have backslashes, read as slashes"
        if all(_stem(fold(name)) == fold(text) for text, name in pairs):
            return "have no ending: files of that name are taken"
        return "are written otherwise than the files (case, slashes, ending)"


def fold(name: str) -> str:
    """Return a path in a form in which case and the forms of accents do not matter."""
    return name.lower() if name.isascii() else unicodedata.normalize("NFC", name).casefold()


def _ends(key: str) -> tuple[str, str]:
    """Return the name at the end of a path, and the name with its folder: nothing at the top."""
    folder, name = posixpath.split(key)
    return name, f"{posixpath.basename(folder)}/{name}"


def _closest(key: str, names: list[str], form: Callable[[str], str]) -> list[str]:
    """Return those of ``names`` that share the most folders with ``key``, from the end."""
    if len(names) < 2 or "/" not in key:
        return names
    parts = key.split("/")[::-1]

    def n_shared(name: str) -> int:
        pairs = zip(parts, form(name).split("/")[::-1], strict=False)
        return next((n for n, (a, b) in enumerate(pairs) if a != b), len(parts))

    shared = [n_shared(name) for name in names]
    most = max(shared)
    return [name for name, n in zip(names, shared, strict=True) if n == most]


def _plain(text: str, where: str) -> str:
    if not is_url(text):
        return str(Path(text).expanduser()) if text.startswith("~/") else text
    if text.startswith("file://"):
        return file_url_path(text)
    raise SourceFormatError(
        f"{where} names a URL, {text}. Expected files: download the images, and write their paths"
    )


def _forward(text: str) -> str:
    """Return a path with slashes only, without the dots before it."""
    return posixpath.normpath(text.strip().replace("\\", "/")) if text.strip() else text


def _stem(name: str) -> str:
    suffix = ending(name)
    return name.removesuffix(suffix) if suffix else name


def _folded_stem(name: str) -> str:
    return _stem(fold(name))


def _nothing_found(files: Files, texts: Sequence[str], where: str) -> str:
    first = texts[0]
    is_absolute = first.startswith("/") or first[1:3] in (":\\", ":/")
    tried = first if is_absolute else f"{files.location}/{first}"
    words = first.split()
    hint = ""
    if len(words) > 1 and is_image_name(words[0]):
        hint = f". For labels such as {words[-1]!r}, give a table with a line path,label at its top"
    return (
        f"{where}: 0 of {plural(len(texts), 'file')} found; the first tried was {tried}. Expected "
        f"paths that are absolute, or relative to the table's folder, with the files' endings{hint}"
    )
