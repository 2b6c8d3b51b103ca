"""The format safetensors: a JSON header, then the tensors' bytes.

See github.com/huggingface/safetensors. Its own library takes whole tensors; here rows go through
in blocks.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
from numpy.typing import NDArray

from ..joined.feature_matrix import FeatureMatrix

DTYPES = {
    "F16": np.float16,
    "BF16": ml_dtypes.bfloat16,
    "F32": np.float32,
    "F64": np.float64,
    "I64": np.int64,
    "I32": np.int32,
}
METADATA = "__metadata__"
LENGTH_BYTES = 8
ALIGNMENT = 8
MAX_HEADER = 1 << 30


def write_safetensors(
    path: Path, X: FeatureMatrix, y: NDArray[np.int64], metadata: Mapping[str, str]
) -> None:
    """Write ``X`` and ``y`` with texts as metadata."""
    kind = "F16" if X.dtype == np.float16 else "F32"
    n_bytes = int(np.prod(X.shape)) * X.dtype.itemsize
    header = {
        METADATA: dict(metadata),
        "y": {"dtype": "I64", "shape": [len(y)], "data_offsets": [0, y.nbytes]},
        "X": {
            "dtype": kind,
            "shape": list(X.shape),
            "data_offsets": [y.nbytes, y.nbytes + n_bytes],
        },
    }
    text = json.dumps(header).encode("ascii")
    text += b" " * (-len(text) % ALIGNMENT)
    with path.open("wb") as file:
        file.write(len(text).to_bytes(LENGTH_BYTES, "little") + text)
        file.write(np.ascontiguousarray(y, "<i8").data)
        for block in X.blocks():
            file.write(np.ascontiguousarray(block).data)


def read_header(path: Path) -> tuple[dict[str, str], dict[str, Any]]:
    """Return the metadata of a file, and its tensors' entries with offsets from its start.

    Raises
    ------
    ValueError
        The file is no safetensors file.
    """
    with path.open("rb") as file:
        n_bytes = int.from_bytes(file.read(LENGTH_BYTES), "little")
        if not 0 < n_bytes <= min(MAX_HEADER, path.stat().st_size):
            raise ValueError("it has no header of safetensors")
        header = json.loads(file.read(n_bytes))
    start = LENGTH_BYTES + n_bytes
    metadata = header.pop(METADATA, {})
    for entry in header.values():
        entry["data_offsets"] = [start + offset for offset in entry["data_offsets"]]
    return metadata, header


def read_tensors(path: Path) -> dict[str, Any]:
    """Return the tensors of a file as mapped arrays, and the texts of its metadata as lists.

    Raises
    ------
    ValueError
        The file is no safetensors file, or holds a tensor of another number format.
    """
    metadata, entries = read_header(path)
    arrays: dict[str, Any] = {}
    for name, entry in entries.items():
        if entry["dtype"] not in DTYPES:
            raise ValueError(f"{name} is of {entry['dtype']}: expected {', '.join(DTYPES)}")
        shape = tuple(int(side) for side in entry["shape"])
        dtype, offset = DTYPES[entry["dtype"]], entry["data_offsets"][0]
        mapped = np.memmap(path, dtype, "r", offset, shape) if all(shape) else None
        arrays[name] = np.empty(shape, dtype) if mapped is None else mapped
    for name, text in metadata.items():
        if text.startswith("["):
            arrays[name] = np.array(json.loads(text), np.str_)
    return arrays
