"""What featx knows of one format of prediction files."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

# In the metadata of every table of predictions: how many of the best classes each row holds.
TOP_K = "featx.top_k"
UNLIKE = "unlike"
ATTRIBUTE = "user.featx"
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
    read : callable
        Reads the named columns of a file, as texts.
    column_names : callable
        Reads the names of a file's columns.
    read_metadata : callable
        Reads what a file says of its making; empty where it says nothing.
    holds_metadata : bool
        The metadata of the tables go into the file. Where not, they become an attribute of it.
    """

    name: str
    endings: tuple[str, ...]
    holds_lists: bool
    open_writer: Callable[[BinaryIO], AbstractContextManager[WriteTable]]
    is_own: Callable[[Path], bool]
    read: Callable[[Path, Sequence[str]], Any]
    column_names: Callable[[Path], list[str]]
    read_metadata: Callable[[Path], dict[str, str]]
    holds_metadata: bool


@contextmanager
def writer_for_first(new_writer: Callable[[Any], Any]) -> Iterator[Callable[[Any], Any]]:
    """Yield a function that returns the writer of a table, made with the first table's schema.

    Parameters
    ----------
    new_writer : callable
        Takes an Arrow schema; returns a writer with ``write_table`` and ``close``.
    """
    writers: list[Any] = []

    def writer_of(table: Any) -> Any:
        if not writers:
            writers.append(new_writer(table.schema))
        return writers[0]

    yield writer_of
    for writer in writers:
        writer.close()


def first_line(path: Path) -> bytes:
    """Return the first line of a text file, up to a million bytes."""
    with path.open("rb") as file:
        return file.readline(1 << 20)


def decoded(metadata: dict[bytes, bytes] | None) -> dict[str, str]:
    """Return the metadata of an Arrow schema as texts; those of other programs may be bytes."""
    pairs = (metadata or {}).items()
    return {k.decode("utf-8", "replace"): v.decode("utf-8", "replace") for k, v in pairs}


def write_attribute(path: Path, metadata: dict[str, str]) -> None:
    """Keep metadata as an attribute of a file, where the file system has such a thing (Linux)."""
    with suppress(OSError, AttributeError):
        os.setxattr(path, ATTRIBUTE, json.dumps(metadata, sort_keys=True).encode("ascii"))


def read_attribute(path: Path) -> dict[str, str]:
    """Return the metadata that a file has as an attribute; empty where it has none."""
    try:
        metadata = json.loads(os.getxattr(path, ATTRIBUTE))
    except (OSError, AttributeError, ValueError):
        return {}
    return dict(metadata) if isinstance(metadata, dict) else {}
