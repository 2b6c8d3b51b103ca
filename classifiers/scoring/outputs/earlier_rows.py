"""The rows that an earlier run predicted already, and a source without them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....cache import StringColumn
from ....cache.errors import ConfigError
from .formats import BY_ENDING
from .provenance import printable
from .target import Target

ERROR = "error"


@dataclass(frozen=True)
class EarlierRows:
    """What the part files of a folder hold.

    Attributes
    ----------
    predicted : frozenset of str
        Ids with a prediction, or held back as unsure.
    failed : frozenset of str
        Ids of images that could not be read: they are tried again.
    column_names : tuple of str
        Of the newest part; empty where there is none.
    """

    predicted: frozenset[str] = frozenset()
    failed: frozenset[str] = frozenset()
    column_names: tuple[str, ...] = ()

    @classmethod
    def read(cls, target: Target) -> EarlierRows:
        """Read the ids of all part files.

        Raises
        ------
        ConfigError
            The parts are of another format than those to write, or of a job array.
        """
        if target.shard_files:
            raise ConfigError(
                f"{target.path} holds parts of a job array that are not joined yet: "
                "featx score … --join first"
            )
        predicted: set[str] = set()
        failed: set[str] = set()
        for path in target.part_files:
            form = BY_ENDING[path.suffix]
            if form != target.format:
                raise ConfigError(
                    f"{target.path} holds parts as {form.name}. Add --format {form.name}, so that "
                    "all parts can be read together"
                )
            for name, status in _ids_and_statuses(form.read(path, ("id", "status"))):
                (failed if status == ERROR else predicted).add(name)
        names = target.format.column_names(target.part_files[-1]) if target.part_files else []
        return cls(frozenset(predicted), frozenset(failed - predicted), tuple(names))

    def new_rows(self, ids: StringColumn) -> NDArray[np.int64]:
        """Return the indices of the samples without a prediction."""
        return np.array(
            [row for row, name in enumerate(ids) if printable(name) not in self.predicted], np.int64
        )

    def check_columns(self, names: Iterable[str], target: Target) -> None:
        """Refuse columns that differ from those of the parts; raises ConfigError."""
        missing = [name for name in self.column_names if name not in set(names)]
        added = [name for name in names if name not in self.column_names]
        if self.column_names and (missing or added):
            said = [f"without {', '.join(missing)}"] if missing else []
            said += [f"with {', '.join(added)}"] if added else []
            raise ConfigError(
                f"the parts in {target.path} have other columns: the new one would be "
                f"{' and '.join(said)}. Use the options of then, or name a new folder"
            )

    def without_old_errors(self, tables: Iterable[Any]) -> Iterator[Any]:
        """Pass on tables without the rows that failed again."""
        for table in tables:
            rows = _ids_and_statuses(table)
            keep = [not (status == ERROR and name in self.failed) for name, status in rows]
            yield table if all(keep) else table.filter(keep)


def _ids_and_statuses(table: Any) -> Iterator[tuple[str, str]]:
    ids, statuses = (table.column(name).to_pylist() for name in ("id", "status"))
    return zip(ids, statuses, strict=True)
