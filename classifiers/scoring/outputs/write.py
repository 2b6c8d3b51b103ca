"""Writing predictions: what is written depends on the rows alone, not on how they came."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain, islice
from pathlib import Path
from types import MappingProxyType
from typing import Any

from ....cache.errors import CacheWriteError
from ....cache.format.atomic import atomic_path
from .formats.record import TOP_K, decoded, write_attribute
from .target import Target
from .work_folder import WorkFolder

GROUP_ROWS = 1 << 17
GROUP_BYTES = 64 << 20
FOLDER_ROWS = 1 << 20
NOTHING: Mapping[str, str] = MappingProxyType({})


def write_tables(
    target: Target, work: WorkFolder, tables: Iterable[Any], metadata: Mapping[str, str] = NOTHING
) -> None:
    """Write Arrow tables of one schema, in order; the result gets its name when it is whole.

    What is written depends on the rows alone, not on how they are cut into tables. A target that
    appends gets new part files, none where there is no row.

    Parameters
    ----------
    target : Target
    work : WorkFolder
    tables : iterable of pyarrow.Table
        At least one, which may be empty.
    metadata : mapping of str to str
        What the files say of their making.

    Raises
    ------
    CacheWriteError
        The file system refused; what was at the place before is untouched.
    ConfigError
        Something that featx did not write appeared there meanwhile.
    """
    if target.appends:
        tables = filter(len, tables)
    groups = (_with_metadata(group, metadata) for group in _groups(tables))
    if not target.is_folder:
        _write_file(target, target.path, groups, target.check)
        return
    arriving = work.new_folder()
    for number, file_groups in enumerate(_files(groups), target.next_part):
        path = arriving / f"part-{number:05d}{target.format.endings[0]}"
        _write_file(target, path, file_groups)
    target.check()
    if target.appends:
        _append_parts(arriving, target.path)
    else:
        _replace_folder(arriving, target.path, work.new_folder())


def _with_metadata(table: Any, metadata: Mapping[str, str]) -> Any:
    return table.replace_schema_metadata({**(table.schema.metadata or {}), **metadata})


def _write_file(
    target: Target,
    path: Path,
    groups: Iterable[Any],
    check: Callable[[], object] | None = None,
) -> None:
    """Write one file whole; ``check`` may refuse right before it gets its name."""
    described: dict[str, str] = {}
    with atomic_path(path) as partial:
        with partial.open("wb") as file, target.format.open_writer(file) as write:
            for group in groups:
                described = described or decoded(group.schema.metadata)
                write(group if target.format.holds_lists else flat(group))
        if not target.format.holds_metadata:
            write_attribute(partial, described)
        if check:
            check()


def _append_parts(arriving: Path, folder: Path) -> None:
    """Give part files their names; each is whole, so that a crash in between loses none."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for part in sorted(arriving.glob("part-*")):
            part.rename(folder / part.name)
    except OSError as error:
        raise CacheWriteError(f"cannot write {folder}: {error.strerror or error}") from error


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


def columns_of(table: Any, target: Target) -> list[str]:
    """Return the names that the columns of ``table`` have in the files of ``target``."""
    names: list[str] = (table if target.format.holds_lists else flat(table)).column_names
    return names


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
