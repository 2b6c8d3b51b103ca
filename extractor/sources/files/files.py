"""What a source needs of the place where its files lie."""

from __future__ import annotations

import io
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import IO, Protocol

from .names import is_image_name, is_tool_name

Stamp = tuple[int, int, int]
NO_STAMP: Stamp = (0, 0, 0)
SHOWN_NAMES = 5


@dataclass
class Tree:
    """All that lies below a place.

    Attributes
    ----------
    names : list of str
        The visible files, as relative POSIX paths, in no order.
    folders : list of str
        The visible folders, with or without files.
    tool_folders : list of str
        Folders of operating systems and tools; what is in them is not listed.
    n_hidden_images : int
        Hidden files that end as images do.
    unlisted : list of str
        Folders that could not be listed, each with the reason, and links that lead to a folder
        above them.
    """

    names: list[str] = field(default_factory=list)
    folders: list[str] = field(default_factory=list)
    tool_folders: list[str] = field(default_factory=list)
    n_hidden_images: int = 0
    unlisted: list[str] = field(default_factory=list)

    def pass_over(self, name: str, is_folder: bool) -> None:
        """Count a file or folder that is not visible."""
        if is_folder and is_tool_name(name):
            self.tool_folders.append(name)
        elif is_image_name(name) and not (is_folder or is_tool_name(name)):
            self.n_hidden_images += 1

    def notes(self) -> list[str]:
        """Say what was not listed."""
        notes = []
        if self.tool_folders:
            notes.append(f"passed over {shown(sorted(set(self.tool_folders)))}")
        if self.n_hidden_images:
            notes.append(f"passed over {plural(self.n_hidden_images, 'hidden image')}")
        if self.unlisted:
            notes.append(f"not listed: {shown(self.unlisted)}")
        return notes


class Files(Protocol):
    """Files below one place; names are relative POSIX paths.

    Attributes
    ----------
    location : str
        The place, for people; equal for equal places.
    """

    location: str

    def list_folder(self, folder: str = "") -> list[str]:
        """Return the names of the visible files right in a folder; empty where it is none."""
        ...

    def walk(self) -> Tree:
        """Return all that lies below the place."""
        ...

    def stamp(self, name: str) -> Stamp | None:
        """Return size in bytes and two numbers that change with the file.

        Zeros where they are unknown; None where there is no such file.
        """
        ...

    def read(self, name: str) -> bytes:
        """Return a file's bytes; raises OSError where it cannot be read."""
        ...

    def read_range(self, name: str, start: int, n_bytes: int) -> bytes:
        """Return ``n_bytes`` of a file from ``start``; raises OSError where it cannot be read."""
        ...

    def open(self, name: str) -> IO[bytes]:
        """Open a file for reading with ``seek``; raises OSError where it cannot be read."""
        ...


def buffered(files: Files, name: str) -> io.BytesIO:
    """Return the whole of a file in memory."""
    return io.BytesIO(files.read(name))


def shown(names: Iterable[str]) -> str:
    """Return the first few names, and how many more there are."""
    listed = list(names)
    rest = len(listed) - SHOWN_NAMES
    more = f" and {rest} more" if rest > 0 else ""
    return f"{', '.join(listed[:SHOWN_NAMES])}{more}"


def plural(n: int, noun: str) -> str:
    """Return a count with its noun: ``1 image``, ``2,500 images``."""
    return f"{n:,} {noun}{'' if n == 1 else 's'}"
