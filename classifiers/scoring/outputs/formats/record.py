"""What featx knows of one format of prediction files."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

# In the metadata of every table of predictions: how many of the best classes each row holds.
TOP_K = "featx.top_k"
FIRST_COLUMNS, LAST_COLUMNS = ("id", "predicted", "probability"), ("status", "reason")
WriteTable = Callable[[Any], None]


@dataclass(frozen=True, kw_only=True)
class OutputFormat:
    """One format.

    Attributes
    ----------
    name : str
        As ``--format`` takes it.
    endings : tuple of str
        Of file names; the first is that of part files.
    holds_lists : bool
        A cell can hold a list; where not, ``top_classes`` becomes ``top1_class, top2_class, …``.
    open_writer : callable
        Takes an open binary file; its context takes Arrow tables of one schema, in order.
    is_own : callable
        Says whether the content of a file is that of predictions which featx wrote.
    """

    name: str
    endings: tuple[str, ...]
    holds_lists: bool
    open_writer: Callable[[BinaryIO], AbstractContextManager[WriteTable]]
    is_own: Callable[[Path], bool]


def first_line(path: Path) -> bytes:
    """Return the first line of a text file, up to a million bytes."""
    with path.open("rb") as file:
        return file.readline(1 << 20)
