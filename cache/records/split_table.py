"""Which split each unit of images was assigned to; a cache only ever adds to it.

Each addition is a file of its own, so that any number of processes add without a lock. An imported
assignment counts before a drawn one, the last import first; of drawn ones the first stays.
"""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..format.container import damaged, open_container, write_container
from ..layout import MANIFEST_SUFFIX, Layout
from ..manifest import NO_SPLIT

KIND = "splits"
IMPORTED = "imported"


@dataclass(frozen=True)
class Assignments:
    """One file of the table.

    Attributes
    ----------
    scheme : str
        Seed and drawn parts; ``imported`` ends it where a person gave the splits.
    keys : ndarray of uint64, shape (n,)
        Keyed hashes of the units.
    splits : ndarray of int8, shape (n,)
        Index into ``SPLITS``.
    """

    scheme: str
    keys: NDArray[np.uint64]
    splits: NDArray[np.int8]


def read_assignments(path: Path) -> Assignments:
    """Read one file of the table.

    Raises
    ------
    CacheFormatError
        It is damaged, foreign or too new.
    """
    container = open_container(path, KIND)
    try:
        keys, splits = container.column("keys"), container.column("splits")
        if keys.shape != splits.shape:
            raise ValueError("columns of different lengths")
        return Assignments(str(container.attributes["scheme"]), keys, splits)
    except (KeyError, ValueError) as error:
        raise damaged(path, f"not a whole split table ({error})") from error


@dataclass(frozen=True)
class SplitTable:
    """The assignments that a cache keeps for one seed.

    Attributes
    ----------
    layout : Layout
    seed : int
    drawn : str
        The parts that are drawn, as ``test,val``; what is drawn beside given splits is kept apart.
    """

    layout: Layout
    seed: int
    drawn: str = "test,val"

    def find(self, keys: NDArray[np.uint64]) -> NDArray[np.int8]:
        """Return the split of each key, ``(n,)``; -1 where it was never assigned.

        Raises
        ------
        CacheFormatError
            A file of the table is damaged: without it samples would move.
        """
        files = [read_assignments(path) for path in self.layout.split_paths()]
        imported = [f for f in reversed(files) if f.scheme == self._scheme(IMPORTED)]
        chosen = [*imported, *(f for f in files if f.scheme == self._scheme(self.drawn))]
        found = np.full(len(keys), NO_SPLIT, np.int8)
        for one in chosen:
            order = np.argsort(one.keys)
            index = np.searchsorted(one.keys, keys, sorter=order)
            index = order[np.minimum(index, len(order) - 1)]
            is_new = (found == NO_SPLIT) & (one.keys[index] == keys)
            found[is_new] = one.splits[index[is_new]]
        return found

    def add(
        self, keys: NDArray[np.uint64], splits: NDArray[np.int8], *, is_import: bool = False
    ) -> None:
        """Keep assignments.

        Raises
        ------
        CacheWriteError
            The file system refused.
        """
        if not len(keys):
            return
        name = f"{time.time_ns():020d}-{uuid.uuid4().hex[:8]}{MANIFEST_SUFFIX}"
        scheme = self._scheme(IMPORTED if is_import else self.drawn)
        columns: dict[str, NDArray[Any]] = {
            "keys": keys.astype(np.uint64),
            "splits": splits.astype(np.int8),
        }
        write_container(self.layout.splits / name, KIND, {"scheme": scheme}, columns)

    def _scheme(self, kind: str) -> str:
        return f"seed {self.seed}, {kind}"


def join_assignments(layout: Layout) -> int:
    """Join the files of the table, one for each scheme; return how many files are fewer.

    What was assigned stays: of each unit the assignment that counts is kept. The joined file stands
    before the others go, under the name of the oldest one of drawn splits, and of the newest one of
    imported splits, so that files which others add meanwhile keep their order.

    Raises
    ------
    CacheFormatError, CacheWriteError
        A file is damaged, or the file system refused; nothing is lost.
    """
    by_scheme: dict[str, list[tuple[Path, Assignments]]] = {}
    for path in layout.split_paths():
        one = read_assignments(path)
        by_scheme.setdefault(one.scheme, []).append((path, one))
    n_fewer = 0
    for scheme, files in by_scheme.items():
        is_import = scheme.endswith(IMPORTED)
        ordered = files[::-1] if is_import else files
        if len(ordered) < 2:
            continue
        keys = np.concatenate([one.keys for _, one in ordered])
        splits = np.concatenate([one.splits for _, one in ordered])
        units, first = np.unique(keys, return_index=True)
        columns: dict[str, NDArray[Any]] = {"keys": units, "splits": splits[first]}
        write_container(ordered[0][0], KIND, {"scheme": scheme}, columns)
        for path, _ in ordered[1:]:
            path.unlink(missing_ok=True)
        n_fewer += len(ordered) - 1
    return n_fewer
