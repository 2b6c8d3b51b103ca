"""Prediction files: one file, or a folder of part files, in one of the formats."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, count, islice
from pathlib import Path
from typing import Any

from ...cache.errors import CacheWriteError, ConfigError
from ...cache.format.atomic import atomic_path
from ...cache.output_path import foreign_entry, output_file, output_folder
from ...cache.suggest import did_you_mean
from .formats import BY_ENDING, FORMATS, OutputFormat
from .formats.record import TOP_K
from .work_folder import WorkFolder

DEFAULT = "parquet"
GROUP_ROWS = 1 << 17
GROUP_BYTES = 64 << 20
FOLDER_ROWS = 1 << 20
PART = re.compile(rf"part-\d{{5,}}({'|'.join(map(re.escape, BY_ENDING))})")


@dataclass(frozen=True)
class Target:
    """Where predictions go and in which form.

    Attributes
    ----------
    path : Path
        Links are followed.
    format : OutputFormat
    is_folder : bool
        Files ``part-00000.<ending>`` of up to a million rows each, in order.
    overwrite : bool
        Replace any file; otherwise only predictions that featx wrote.
    """

    path: Path
    format: OutputFormat
    is_folder: bool
    overwrite: bool = False

    @classmethod
    def parse(cls, out: str | Path, format: str | None = None, overwrite: bool = False) -> Target:
        """Read the form from the ending of ``out``; without an ending it is a folder.

        Raises
        ------
        ConfigError
            The ending or the format is unknown, or what is there must not be replaced.
        """
        path = Path(out)
        if str(out) in ("", "-"):
            raise ConfigError(
                f"--out {str(out)!r} names no file: predictions do not go to standard output. Name "
                "a file, such as predictions.csv"
            )
        if format is not None and format not in FORMATS:
            raise ConfigError(f"unknown format {format!r}. {did_you_mean(format, FORMATS)}")
        by_ending = BY_ENDING.get(path.suffix)
        is_folder = not path.suffix or str(out).endswith("/")
        is_folder = is_folder or (path.is_dir() and by_ending is None)
        if not is_folder and by_ending is None:
            raise ConfigError(
                f"--out {out}: the ending says the format, one of {', '.join(BY_ENDING)}; a name "
                "without an ending is a folder of part files (--format chooses their form)"
            )
        if not is_folder and by_ending and format not in (None, by_ending.name):
            raise ConfigError(f"--out {out} and --format {format} contradict each other")
        form = FORMATS[format or DEFAULT] if is_folder or by_ending is None else by_ending
        return cls(cls(path, form, is_folder, overwrite).check(), form, is_folder, overwrite)

    def check(self) -> Path:
        """Refuse what must not be replaced, and return the path with links followed.

        Raises
        ------
        ConfigError
            Something is there that featx did not write.
        """
        if self.is_folder:
            return output_folder(self.path, "predictions", _foreign_file)
        return output_file(
            self.path, "a file of predictions", self.format.is_own, overwrite=self.overwrite
        )


def _foreign_file(folder: Path) -> Path | None:
    def is_own(file: Path) -> bool:
        return bool(PART.fullmatch(file.name)) and BY_ENDING[file.suffix].is_own(file)

    return foreign_entry(folder, is_own)


def write_tables(target: Target, work: WorkFolder, tables: Iterable[Any]) -> None:
    """Write Arrow tables of one schema, in order; the result gets its name when it is whole.

    What is written depends on the rows alone, not on how they are cut into tables.

    Raises
    ------
    CacheWriteError
        The file system refused; what was at the place before is untouched.
    ConfigError
        Something that featx did not write appeared there meanwhile.
    """
    arriving, replaced = work.new_folder(), work.new_folder()
    paths = (arriving / f"part-{n:05d}{target.format.endings[0]}" for n in count())
    for groups in _files(_groups(tables)) if target.is_folder else [_groups(tables)]:
        path = next(paths) if target.is_folder else target.path
        with atomic_path(path) as partial:
            with partial.open("wb") as file, target.format.open_writer(file) as write:
                for group in groups:
                    write(group if target.format.holds_lists else flat(group))
            if not target.is_folder:
                target.check()
    if target.is_folder:
        target.check()
        _replace_folder(arriving, target.path, replaced)


def _replace_folder(arriving: Path, path: Path, replaced: Path) -> None:
    try:
        if path.exists():
            path.replace(replaced)
        arriving.replace(path)
    except OSError as error:
        raise CacheWriteError(f"cannot write {path}: {error.strerror or error}") from error


def _groups(tables: Iterable[Any]) -> Iterator[Any]:
    """Cut ``tables`` anew, in groups of rows that depend on the schema alone; at least one."""
    import pyarrow as pa

    rest, n_groups = None, 0
    for table in tables:
        rest = table if rest is None else pa.concat_tables([rest, table])
        size = _group_rows(rest)
        while len(rest) >= size:
            yield rest.slice(0, size).combine_chunks()
            rest, n_groups = rest.slice(size), n_groups + 1
    if rest is not None and (len(rest) or not n_groups):
        yield rest.combine_chunks()


def _group_rows(table: Any) -> int:
    """Return how many rows a group has; a multiple that divides a folder's files evenly."""
    width = 8 * (table.num_columns + 1)
    rows = GROUP_ROWS
    while rows > 1024 and rows * width > GROUP_BYTES:
        rows //= 2
    return rows


def _files(groups: Iterator[Any]) -> Iterator[Iterator[Any]]:
    """Split groups into those of one file each."""
    for first in groups:
        others = islice(groups, FOLDER_ROWS // _group_rows(first) - 1)
        yield chain([first], others)


def flat(table: Any) -> Any:
    """Return ``table`` without nested columns: ``top1_class, top1_probability, top2_class, …``."""
    import pyarrow as pa

    columns: dict[str, Any] = {}
    for name in table.column_names:
        column = table.column(name)
        if name == "top_classes":
            columns |= _top_columns(table)
        elif name != "top_probabilities":
            is_dictionary = pa.types.is_dictionary(column.type)
            columns[name] = column.cast(pa.string()) if is_dictionary else column
    return pa.table(columns)


def _top_columns(table: Any) -> dict[str, Any]:
    import pyarrow.compute as pc

    columns = {}
    n_columns = int(table.schema.metadata[TOP_K.encode()])
    classes, values = table.column("top_classes"), table.column("top_probabilities")
    for rank in range(n_columns):
        columns[f"top{rank + 1}_class"] = pc.list_element(classes, rank)
        columns[f"top{rank + 1}_probability"] = pc.list_element(values, rank)
    return columns
