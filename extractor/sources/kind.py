"""What featx knows of one kind of source."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from .files.files import Files
from .source import Source
from .source_options import SourceOptions


def _none(_files: Files, _name: str) -> bool:
    return False


@dataclass(frozen=True)
class SourceKind:
    """One kind of source: what it answers to, and how it is opened.

    Attributes
    ----------
    name : str
        For people, in the plural where several files make one source: ``tar shards``.
    expected : str
        What to give, with its endings, for messages.
    open : callable
        Opens files of this kind, by name; several where ``gathers`` is set.
    reads : callable
        Tells whether it answers to a file.
    word : str
        Answers to this word in place of a path; then it is opened with no names.
    gathers : bool
        Whether all its files right in a folder make one source.
    unpack : callable or None
        Opens a file as a place that holds other files, which are read as a folder is.
    reads_columns : bool
        Whether options that name columns have a meaning here.
    """

    name: str
    expected: str
    open: Callable[[Files, Sequence[str], SourceOptions], Source]
    reads: Callable[[Files, str], bool] = _none
    word: str = ""
    gathers: bool = False
    unpack: Callable[[Files, str], Files] | None = None
    reads_columns: bool = False
