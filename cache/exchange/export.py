"""Export: one plain file that any tool reads. Rows go through in blocks, so memory is bounded."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from ..errors import ConfigError
from ..features import FeatureSet
from ..format.atomic import atomic_path
from ..format.hdf5_writer import Hdf5Writer
from ..manifest import SPLITS
from ..output_path import output_file
from ..spec import FeatureSpec
from .safetensors import read_header, write_safetensors

BLOCK_ROWS = 4096
SUFFIXES = (".h5", ".hdf5", ".npz", ".parquet", ".arrow", ".feather", ".safetensors")


@dataclass(frozen=True)
class ExportedFeatures:
    """What an export wrote, and where.

    Attributes
    ----------
    path : Path
    n_samples, n_features, n_missing, n_bytes : int
        ``n_missing`` samples of the source have no features and are left out.
    """

    path: Path
    n_samples: int
    n_features: int
    n_missing: int
    n_bytes: int


def export(features: FeatureSet, path: Path, *, overwrite: bool = False) -> ExportedFeatures:
    """Write ``features`` in the format that the name of ``path`` ends in.

    HDF5 and ``.npz`` hold ``X (n, d)``, ``y (n,)`` (-1: no label), ``sample_ids``, ``class_names``,
    ``splits`` (train, val, test, or empty), ``groups`` where the source has them, and ``spec``;
    Parquet and Arrow have one row a sample with ``sample_id, label, class_name, split``, ``group``
    where the source has groups, and ``features``, lists of one size; safetensors has ``X`` and
    ``y``, and all texts as JSON in its metadata.

    Raises
    ------
    ConfigError
        The name ends in nothing that is known, or a file is there that featx did not export
        (``overwrite`` replaces any file).
    CacheFormatError
        A row is damaged; nothing appears at ``path``.
    CacheWriteError
        The disk refused; nothing appears at ``path``.
    """
    writers: dict[str, Callable[[FeatureSet, Path], None]] = {
        ".h5": _write_hdf5,
        ".hdf5": _write_hdf5,
        ".npz": _write_npz,
        ".parquet": _write_parquet,
        ".arrow": _write_arrow,
        ".feather": _write_arrow,
        ".safetensors": _write_safetensors,
    }
    writer = writers.get(path.suffix.lower())
    if writer is None:
        raise ConfigError(f"cannot export to {path.name}: expected a name in {', '.join(SUFFIXES)}")
    target = output_file(path, "an export", _is_export, overwrite=overwrite)
    with atomic_path(target) as partial:
        writer(features, partial)
    n_samples, n_features = features.X.shape
    return ExportedFeatures(path, n_samples, n_features, features.n_missing, path.stat().st_size)


def _is_export(path: Path) -> bool:
    """Return whether ``path`` holds exported features: a feature spec, where each format has it."""
    readers: dict[str, Callable[[Path], str]] = {
        ".npz": _read_npz_spec,
        ".parquet": _read_parquet_spec,
        ".arrow": _read_arrow_spec,
        ".feather": _read_arrow_spec,
        ".safetensors": _read_safetensors_spec,
    }
    reader = readers.get(path.suffix.lower(), _read_hdf5_spec)
    try:
        FeatureSpec.from_json(reader(path))
    except (OSError, EOFError, LookupError, TypeError, ValueError, zipfile.BadZipFile):
        return False
    return True


def _read_hdf5_spec(path: Path) -> str:
    with h5py.File(path, "r") as file:
        return str(file.attrs["spec"])


def _read_npz_spec(path: Path) -> str:
    with np.load(path, allow_pickle=False) as archive:
        return str(archive["spec"])


def _read_parquet_spec(path: Path) -> str:
    import pyarrow.parquet as pq

    return str(pq.read_schema(path).metadata[b"spec"], "utf-8")


def _read_arrow_spec(path: Path) -> str:
    import pyarrow as pa

    with pa.memory_map(str(path)) as file:
        return str(pa.ipc.open_file(file).schema.metadata[b"spec"], "utf-8")


def _read_safetensors_spec(path: Path) -> str:
    return read_header(path)[0]["spec"]


def split_names(features: FeatureSet) -> list[str]:
    """Return the split of each sample, empty where there is none."""
    names = (*SPLITS, "")
    return [names[code] for code in features.splits]


def _columns(features: FeatureSet) -> dict[str, Sequence[str]]:
    columns: dict[str, Sequence[str]] = {
        "sample_ids": features.sample_ids,
        "class_names": features.class_names,
        "splits": split_names(features),
    }
    groups = features.manifest.listing.groups
    if groups is not None:
        columns["groups"] = groups.take(features.kept)
    return columns


def _write_hdf5(features: FeatureSet, path: Path) -> None:
    with path.open("x+b", buffering=0) as raw:
        writer = Hdf5Writer(raw)
        with h5py.File(writer, "w", libver=("v110", "v110")) as file:
            X = file.create_dataset("X", features.X.shape, features.X.dtype)
            start = 0
            for block in features.X.blocks(BLOCK_ROWS):
                X[start : start + len(block)] = block
                start += len(block)
            file["y"] = features.y
            for name, strings in _columns(features).items():
                encoded = [s.encode("utf-8", "surrogateescape") for s in strings]
                file.create_dataset(name, data=encoded, dtype=h5py.string_dtype())
            file.attrs["spec"] = features.spec.to_json()
        if writer.error is not None:
            raise writer.error


def _write_npz(features: FeatureSet, path: Path) -> None:
    with zipfile.ZipFile(path, "x", zipfile.ZIP_STORED, allowZip64=True) as archive:
        with archive.open("X.npy", "w", force_zip64=True) as member:
            header = {
                "descr": np.lib.format.dtype_to_descr(features.X.dtype),
                "fortran_order": False,
                "shape": features.X.shape,
            }
            np.lib.format.write_array_header_2_0(member, header)
            for block in features.X.blocks(BLOCK_ROWS):
                member.write(np.ascontiguousarray(block).data)
        arrays: dict[str, NDArray[Any]] = {"y": features.y}
        for name, strings in _columns(features).items():
            arrays[name] = np.array(list(strings), np.str_)
        arrays["spec"] = np.array(features.spec.to_json())
        for name, array in arrays.items():
            buffer = io.BytesIO()
            np.lib.format.write_array(buffer, array, allow_pickle=False)
            archive.writestr(f"{name}.npy", buffer.getvalue())


def _write_parquet(features: FeatureSet, path: Path) -> None:
    import pyarrow.parquet as pq

    schema = _schema(features)
    with pq.ParquetWriter(path, schema) as writer:
        for table in _tables(features, schema):
            writer.write_table(table)
            del table  # before the next block is read


def _write_arrow(features: FeatureSet, path: Path) -> None:
    import pyarrow as pa

    schema = _schema(features)
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, schema) as writer:
        for table in _tables(features, schema):
            writer.write_table(table)
            del table  # before the next block is read


def _write_safetensors(features: FeatureSet, path: Path) -> None:
    texts = {name: json.dumps(list(strings)) for name, strings in _columns(features).items()}
    metadata = {"spec": features.spec.to_json(), **texts}
    write_safetensors(path, features.X, features.y, metadata)


def _schema(features: FeatureSet) -> Any:
    """Return the schema of a table with one row a sample; lists of features have one size."""
    import pyarrow as pa

    metadata = {"class_names": json.dumps(features.class_names), "spec": features.spec.to_json()}
    fields = [
        ("sample_id", pa.string()),
        ("label", pa.int64()),
        ("class_name", pa.string()),
        ("split", pa.string()),
        *([("group", pa.string())] if features.manifest.listing.groups is not None else []),
        ("features", pa.list_(_kind(features), features.X.shape[1])),
    ]
    return pa.schema(fields, metadata)


def _kind(features: FeatureSet) -> Any:
    import pyarrow as pa

    return pa.float16() if features.X.dtype == np.float16 else pa.float32()


def _tables(features: FeatureSet, schema: Any) -> Iterator[Any]:
    """Yield the rows as tables of a block each; none is held while the next is made."""
    texts = [features.sample_ids, split_names(features)]
    if features.manifest.listing.groups is not None:
        texts.append(features.manifest.listing.groups.take(features.kept))
    start = 0
    for block in features.X.blocks(BLOCK_ROWS):
        yield _table(features, schema, (start, block), texts)
        start += len(block)


def _table(
    features: FeatureSet,
    schema: Any,
    rows: tuple[int, NDArray[Any]],
    texts: Sequence[Sequence[str]],
) -> Any:
    """Return a block of rows, which begins at a row's index, as a table.

    ``texts`` are the ids, splits and, where there are any, groups of all rows.
    """
    import pyarrow as pa

    (start, block), (ids, splits, *groups) = rows, texts
    stop, names = start + len(block), (*features.class_names, None)
    y = features.y[start:stop]
    flat = pa.array(np.ascontiguousarray(block).reshape(-1), _kind(features))
    columns = [
        _text_column(ids[start:stop]),
        pa.array(y, pa.int64()),
        pa.array([names[label] for label in y], pa.string()),
        pa.array([s or None for s in splits[start:stop]], pa.string()),
        *(_text_column(column[start:stop]) for column in groups),
        pa.FixedSizeListArray.from_arrays(flat, block.shape[1]),
    ]
    return pa.Table.from_arrays(columns, schema=schema)


def _text_column(texts: Sequence[str]) -> Any:
    import pyarrow as pa

    return pa.array([text.encode("utf-8", "replace").decode() for text in texts], pa.string())
