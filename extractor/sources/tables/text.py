"""Tables of text: any usual encoding, line end and separator."""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain, islice
from typing import IO, Any

from ....cache.errors import SourceFormatError
from ..files.files import Files, plural
from ..source_options import SourceOptions
from .columns import Columns, has_role

ENDINGS = (".csv", ".tsv", ".tab", ".psv", ".csv.gz", ".tsv.gz")
PLAIN_ENDING = ".txt"
DELIMITERS = (",", ";", "\t", "|")
BYTE_ORDER_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
ZIP_MARK = b"PK\x03\x04"
HEAD_BYTES = 1 << 16
CHUNK_ROWS = 1 << 16
END = "\0\0\0"
MAX_CELL = 1 << 26


@dataclass(frozen=True)
class TextFormat:
    """How a table of text is written.

    Attributes
    ----------
    encoding : str
        ``utf-8`` also stands for bytes that are none; they survive as surrogates.
    delimiter : str
    has_separator_line : bool
        Whether the first line is ``sep=;``, as Excel writes it.
    names : tuple of str
        The cells of the header.
    """

    encoding: str
    delimiter: str
    has_separator_line: bool
    names: tuple[str, ...]


def read_format(files: Files, name: str, options: SourceOptions | None = None) -> TextFormat:
    """Find out how a table of text is written, by its first 64 KB.

    Raises
    ------
    SourceFormatError
        The file cannot be read, or is no text.
    """
    options = options or SourceOptions()
    with _opened(files, name) as file:
        head = file.read(HEAD_BYTES)
    if head.startswith(ZIP_MARK):
        raise SourceFormatError(
            f"{files.location}/{name} is an Excel workbook or a zip archive, and no text. Save it "
            "as CSV"
        )
    encoding = _encoding(head)
    text = codecs.getincrementaldecoder(encoding)("surrogateescape").decode(head)
    first = text.splitlines()[0] if text else ""
    has_separator_line = first.lower().startswith("sep=") and len(first) == len("sep=;")
    if has_separator_line:
        text = text[len(first) :].lstrip("\r\n")
    delimiter = options.delimiter or (first[-1] if has_separator_line else "")
    delimiter = delimiter or _delimiter(text, name, options)
    return TextFormat(encoding, delimiter, has_separator_line, tuple(_header(text, delimiter)))


def is_text_table(files: Files, name: str) -> bool:
    """Tell whether a file is a table by its ending, or a text file by its header."""
    if not name.lower().endswith(PLAIN_ENDING):
        return name.lower().endswith(ENDINGS)
    try:
        names = read_format(files, name).names
    except SourceFormatError:
        return False
    return len(names) > 1 and has_role(names, "path", SourceOptions())


def read_text_table(files: Files, name: str, options: SourceOptions) -> Columns:
    """Read a table of text; every cell stays text, without the spaces around it.

    Raises
    ------
    SourceFormatError
        The file is no table, is damaged, or a row has more or fewer cells than the header.
    """
    import pyarrow as pa

    where = f"{files.location}/{name}"
    form = read_format(files, name, options)
    if not form.names:
        raise SourceFormatError(f"{where} is not a readable table: it is empty")
    parts: list[list[Any]] = [[] for _ in form.names]
    with _opened(files, name) as file:
        rows = _rows(file, form, where)
        while chunk := list(islice(rows, CHUNK_ROWS)):
            for part, cells in zip(parts, zip(*chunk, strict=True), strict=True):
                part.append(pa.array([_encoded(cell) for cell in cells], pa.binary()))
    values = [pa.chunked_array(part, pa.binary()) for part in parts]
    notes = [] if form.encoding in ("utf-8", "utf-8-sig") else [f"read as {form.encoding.upper()}"]
    return Columns(list(form.names), values, where, tuple(notes))


@contextmanager
def _opened(files: Files, name: str) -> Iterator[IO[bytes]]:
    """Open a file, gzip or not; errors name it."""
    try:
        with files.open(name) as file:
            yield gzip.GzipFile(fileobj=file) if name.lower().endswith(".gz") else file  # type: ignore[misc]
    except (OSError, EOFError, zlib.error, UnicodeDecodeError, csv.Error) as error:
        raise SourceFormatError(
            f"{files.location}/{name} is not a readable table ({error})"
        ) from error


def _encoding(head: bytes) -> str:
    for mark, encoding in BYTE_ORDER_MARKS.items():
        if head.startswith(mark):
            return encoding
    # A header is ASCII, whatever the rest is: in UTF-16 each second byte is zero.
    even, odd = head[:64:2], head[1:64:2]
    if odd and even.count(0) == 0 and odd.count(0) > len(odd) / 2:
        return "utf-16-le"
    if even and odd.count(0) == 0 and even.count(0) > len(even) / 2:
        return "utf-16-be"
    return "utf-8"


def _delimiter(text: str, name: str, options: SourceOptions) -> str:
    """Return the separator that gives the header a column of paths, else the most columns."""
    usual = ("\t", *DELIMITERS) if ".tsv" in name.lower() else DELIMITERS

    def score(delimiter: str) -> tuple[bool, int]:
        names = _header(text, delimiter)
        return has_role(names, "path", options), len(names)

    return max(usual, key=score)


def _header(text: str, delimiter: str) -> list[str]:
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True)
    try:
        names = next((row for row in rows if any(cell.strip() for cell in row)), [])
    except csv.Error:
        return []
    names = [name.strip() for name in names]
    while names and not names[-1]:
        names.pop()
    return names


def _rows(file: IO[bytes], form: TextFormat, where: str) -> Iterator[list[str]]:
    """Yield the rows below the header, with as many cells; empty ones are left out."""
    text = io.TextIOWrapper(file, form.encoding, "surrogateescape", newline="")
    if form.has_separator_line:
        text.readline()

    # The reader takes an open quote for a cell that reaches to the end: the mark would be in it.
    lines = chain(text, [END])
    csv.field_size_limit(max(csv.field_size_limit(), MAX_CELL))  # one for the whole process
    reader = csv.reader(lines, delimiter=form.delimiter, skipinitialspace=True)
    n_cells, started, line = len(form.names), False, 0
    try:
        for row in reader:
            first_line, line = line + 1, reader.line_num
            if row == [END]:
                return
            if not any(cell and not cell.isspace() for cell in row):
                continue
            if row[-1].endswith(END):
                raise SourceFormatError(
                    f"{where}: a quote is opened in line {first_line} and not closed"
                )
            if not started:
                started = True
                continue
            extra = row[n_cells:]
            if len(row) < n_cells or any(cell.strip() for cell in extra):
                raise SourceFormatError(
                    f"{where} is not a readable table: line {first_line} has "
                    f"{plural(len(row), 'cell')}, the header {n_cells}. {_advice(row, form)}"
                )
            yield row[:n_cells]
    finally:
        text.detach()


def _advice(row: list[str], form: TextFormat) -> str:
    """Say what to do where a row has another number of cells than the header."""
    if len(form.names) == 1:
        return f"Delete the lines above the header, if {form.names[0]!r} is none"
    if len(row) < len(form.names):
        return "Write a missing cell as an empty one"
    return f"Put quotes around cells that hold a {form.delimiter!r}"


def _encoded(cell: str) -> bytes:
    return cell.strip().encode("utf-8", "surrogateescape")
