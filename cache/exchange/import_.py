"""Import: features that someone else extracted are features too, with a spec that says so."""

from __future__ import annotations

import hashlib
import re
import time
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from ..batch import FeatureBatch
from ..errors import ConfigError, SourceFormatError, SourceNotFoundError
from ..format.strings import StringColumn
from ..manifest import DIGEST_BYTES, NO_LABEL, NO_SPLIT, SPLITS, Listing, Manifest
from ..records.run_record import RunRecord
from ..spec import FeatureSpec
from ..store import FeatureStore
from .arrow_table import read_table
from .export import BLOCK_ROWS
from .safetensors import read_tensors

IMPORTED = "imported"
UNSAFE = r"[^A-Za-z0-9._-]+"
SHARD_BYTES = 64 << 20


@dataclass(frozen=True)
class ImportReport:
    """What was imported.

    Attributes
    ----------
    name : str
        Names the features on the command line.
    n_samples, n_features, n_new : int
        ``n_new`` rows were not in the cache before.
    class_names : tuple of str
    """

    name: str
    n_samples: int
    n_features: int
    n_new: int
    class_names: tuple[str, ...]


def import_features(store: FeatureStore, path: Path, name: str | None = None) -> ImportReport:
    """Take the features in a plain file into the cache: what ``export`` writes, or the like.

    The file holds ``X (n, d)`` and may hold ``y`` (integers, or the names of the classes),
    ``sample_ids``, ``class_names``, ``splits`` and ``groups``. float16 stays float16; other numbers
    become float32. The spec's backbone is ``imported``, its weights' digest that of the file.

    Parameters
    ----------
    store : FeatureStore
    path : Path
    name : str, optional
        Name of the source; by default the file's.

    Raises
    ------
    SourceNotFoundError, SourceFormatError
        There is no such file, or it does not hold features.
    ConfigError
        The name cannot be a file's name.
    """
    if not path.is_file():
        raise SourceNotFoundError(
            f"{path} does not exist. Expected HDF5, .npz, .parquet, .arrow or .safetensors"
        )
    name = name or re.sub(UNSAFE, "-", path.stem).strip("-.") or IMPORTED
    if re.search(UNSAFE, name) or name.startswith("."):
        raise ConfigError(f"a source's name has letters, digits, dot, - and _ only, got {name!r}")
    opened = _open(path)
    try:
        return _import(store, path, name, opened)
    except (ValueError, TypeError, KeyError, UnicodeDecodeError) as error:
        if isinstance(error, SourceFormatError):
            raise
        raise SourceFormatError(f"{path} does not hold features: {error}") from error
    finally:
        opened.close()


def _open(path: Path) -> Any:
    reader = READERS.get(path.suffix.lower())
    try:
        if reader is not None:
            return _Arrays(reader(path))
        if zipfile.is_zipfile(path):
            return np.load(path, allow_pickle=False)
        return h5py.File(path, "r", locking=False)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SourceFormatError(
            f"{path} is no file of features: neither HDF5 nor .npz, .parquet, .arrow or "
            f".safetensors ({str(error).splitlines()[0]}). Expected a file with X, and if "
            "known y, sample_ids and class_names, as `featx cache export` writes it"
        ) from error


class _Arrays(dict[str, Any]):
    """Arrays by name, which need no closing."""

    def close(self) -> None:
        """Do nothing."""


READERS = {
    ".safetensors": read_tensors,
    ".parquet": read_table,
    ".arrow": read_table,
    ".feather": read_table,
}


def _import(store: FeatureStore, path: Path, name: str, opened: Any) -> ImportReport:
    started = time.perf_counter()
    X = opened.get("X")
    if X is None or len(X.shape) != 2 or not len(X):
        raise SourceFormatError(f"{path} has no X of shape (n_samples, n_features)")
    listing = _listing(opened, len(X))
    spec = _spec(path, X.dtype)
    digests, n_new = _write_rows(store, spec, X)
    stamps = np.zeros((len(X), 3), np.int64)
    now = time.time_ns()
    store.write_manifest(Manifest(name, str(path.resolve()), listing, digests, stamps, now))
    seconds = time.perf_counter() - started
    counts = (len(X), n_new, len(X) - n_new, 0)
    record = RunRecord(name, spec.fingerprint, now, *counts, seconds, IMPORTED)
    store.write_run(record)
    label = f"{name}@{spec.fingerprint[:12]}"
    return ImportReport(label, len(X), X.shape[1], n_new, listing.class_names)


def _spec(path: Path, dtype: np.dtype[Any]) -> FeatureSpec:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return FeatureSpec(
        backbone=IMPORTED,
        weights_digest=digest,
        layer="",
        pool="none",
        image_size=(1, 1),
        resize="squash",
        preprocess=IMPORTED,
        storage="float16" if dtype == np.float16 else "float32",
    )


def _write_rows(store: FeatureStore, spec: FeatureSpec, X: Any) -> tuple[NDArray[np.uint8], int]:
    """Write the rows that are not there yet; a row's digest is that of its stored bytes."""
    index = store.open_set(spec).index
    digests = np.zeros((len(X), DIGEST_BYTES), np.uint8)
    waiting: list[FeatureBatch] = []
    n_new = 0
    for start in range(0, len(X), BLOCK_ROWS):
        block = np.ascontiguousarray(X[start : start + BLOCK_ROWS], spec.storage)
        hashes = b"".join(hashlib.sha256(row).digest() for row in block)
        block_digests = np.frombuffer(hashes, np.uint8).reshape(-1, DIGEST_BYTES)
        digests[start : start + len(block)] = block_digests
        is_new = index.find(block_digests) < 0
        n_new += int(is_new.sum())
        waiting.append(FeatureBatch(block_digests[is_new], block[is_new]))
        if sum(batch.X.nbytes for batch in waiting) >= SHARD_BYTES:
            store.write_rows(spec, waiting)
            waiting = []
    if any(map(len, waiting)):
        store.write_rows(spec, waiting)
    return digests, n_new


def _listing(opened: Any, n_samples: int) -> Listing:
    ids = _strings(opened, "sample_ids") or [f"row-{i:07d}" for i in range(n_samples)]
    groups = _strings(opened, "groups")
    labels, class_names = _labels(opened, n_samples)
    splits = np.full(n_samples, NO_SPLIT, np.int8)
    if "splits" in opened:
        codes = {"": NO_SPLIT, **{split: code for code, split in enumerate(SPLITS)}}
        splits = np.array([codes[split] for split in _strings(opened, "splits")], np.int8)
    column = StringColumn.from_strings(groups) if groups else None
    return Listing(StringColumn.from_strings(ids), labels, splits, column, class_names)


def _labels(opened: Any, n_samples: int) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    class_names = tuple(_strings(opened, "class_names"))
    if "y" not in opened:
        return np.full(n_samples, NO_LABEL, np.int64), class_names
    y = np.asarray(opened["y"][()])
    if y.ndim != 1:
        raise SourceFormatError(f"y has shape {y.shape}, expected ({n_samples},)")
    if y.dtype.kind not in "iu":
        names = _strings(opened, "y")
        class_names = class_names or tuple(sorted(set(names)))
        codes = {label: code for code, label in enumerate(class_names)}
        return np.array([codes[label] for label in names], np.int64), class_names
    labels = y.astype(np.int64)
    if not class_names:
        class_names = tuple(str(code) for code in range(int(labels.max(initial=-1)) + 1))
    return labels, class_names


def _strings(opened: Any, name: str) -> Sequence[str]:
    if name not in opened:
        return []
    values = np.asarray(opened[name][()]).reshape(-1).tolist()
    return [
        v.decode("utf-8", "surrogateescape") if isinstance(v, bytes) else str(v) for v in values
    ]
