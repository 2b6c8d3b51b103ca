"""A shard: one immutable file of feature rows."""

from __future__ import annotations

import time
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xxhash
from numpy.typing import NDArray

from .batch import FeatureBatch
from .container import Container, damaged, open_container, write_container
from .manifest import DIGEST_BYTES
from .spec import FeatureSpec

KIND = "shard"
SUFFIX = ".h5"


def write_shard(folder: Path, spec: FeatureSpec, batches: Sequence[FeatureBatch]) -> Path:
    """Write ``batches`` as one new shard in ``folder``; returns its path.

    Raises
    ------
    CacheWriteError
        The file system refused; no shard appears.
    """
    digests = np.concatenate([batch.digests for batch in batches])
    X = np.concatenate([batch.X for batch in batches]).astype(spec.storage, copy=False)
    path = folder / f"{uuid.uuid4().hex}{SUFFIX}"
    attributes = {
        "fingerprint": spec.fingerprint,
        "spec": spec.to_json(),
        "created_ns": time.time_ns(),
    }
    columns = {"digests": digests, "views": np.zeros(len(digests), np.uint16), "X": X}
    write_container(path, KIND, attributes, columns)
    return path


class Shard:
    """A shard opened for reading; its rows are checked against their checksums as they are read.

    Raises
    ------
    CacheFormatError
        The file is damaged, foreign, too new, or belongs to another set.
    """

    def __init__(self, path: Path, fingerprint: str) -> None:
        self.container: Container = open_container(path, KIND)
        if self.container.attributes.get("fingerprint") != fingerprint:
            raise damaged(path, "its fingerprint is not that of the folder it lies in")
        try:
            shapes = {name: info.shape for name, info in self.container.columns.items()}
            n_rows, self.n_features = shapes["X"]
            if shapes["digests"] != (n_rows, DIGEST_BYTES) or shapes["views"] != (n_rows,):
                raise ValueError("columns differ in length")
        except (KeyError, ValueError) as error:
            raise damaged(path, f"columns are missing or misshapen ({error})") from error
        self.digests: NDArray[np.uint8] = self.container.read("digests")
        self.views: NDArray[np.uint16] = self.container.read("views")
        self._X: NDArray[Any] | None = None
        self._checked: NDArray[np.bool_] | None = None

    def __len__(self) -> int:
        return len(self.digests)

    @property
    def path(self) -> Path:
        """Where the shard lies."""
        return self.container.path

    @property
    def dtype(self) -> np.dtype[Any]:
        """Number format of the stored rows."""
        return self.container.columns["X"].dtype

    def rows(self, start: int, stop: int) -> NDArray[Any]:
        """Return rows ``start:stop``, ``(stop - start, d)``, mapped and checked.

        Raises
        ------
        CacheFormatError
            A row is not what was written.
        """
        X = self._mapped()
        rows = self.container.columns["X"].block_rows
        self._check(X, np.arange(start // rows, -(-stop // rows)))
        return X[start:stop]

    def take(self, positions: NDArray[np.int64]) -> NDArray[Any]:
        """Return the rows at ``positions``, copied and checked, ``(len(positions), d)``."""
        X = self._mapped()
        self._check(X, np.unique(positions // self.container.columns["X"].block_rows))
        taken: NDArray[Any] = X[positions]
        return taken

    def _mapped(self) -> NDArray[Any]:
        if self._X is None:
            self._X = self.container.map("X")
            self._checked = np.zeros(len(self.container.columns["X"].checksums), np.bool_)
        return self._X

    def _check(self, X: NDArray[Any], blocks: NDArray[np.int64]) -> None:
        info = self.container.columns["X"]
        checked = self._checked
        if checked is None:
            return
        for block in blocks[~checked[blocks]]:
            first = int(block) * info.block_rows
            found = xxhash.xxh3_64_intdigest(X[first : first + info.block_rows])
            if found != int(info.checksums[block]):
                last = min(first + info.block_rows, len(X)) - 1
                raise damaged(self.path, f"rows {first} to {last} fail their checksum")
            checked[block] = True
