"""Features in an Arrow, Feather or Parquet table: one row a sample, lists of one length."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..manifest import NO_LABEL

FEATURES = "features"
TEXTS = {"sample_ids": "sample_id", "splits": "split", "groups": "group"}


def read_table(path: Path) -> dict[str, Any]:
    """Return the columns of a table as arrays with the names that an import takes.

    The column ``features`` holds lists; ``sample_id``, ``label`` (integers or names),
    ``class_name``, ``split`` and ``group`` may be there. A row without a label has none.

    Raises
    ------
    ValueError
        There is no such column, or its rows are not lists of one length.
    """
    from pyarrow import feather, parquet

    is_parquet = path.suffix.lower() == ".parquet"
    table = (parquet if is_parquet else feather).read_table(path, memory_map=True)
    if FEATURES not in table.column_names:
        columns = ", ".join(table.column_names)
        raise ValueError(f"it has the columns {columns}, and no `{FEATURES}`")
    metadata = table.schema.metadata or {}
    arrays: dict[str, Any] = {"X": _matrix(table.column(FEATURES)), **_labels(table)}
    if b"class_names" in metadata:
        arrays["class_names"] = np.array(json.loads(metadata[b"class_names"]), np.str_)
    for name, column in TEXTS.items():
        if column in table.column_names:
            cells = table.column(column).to_pylist()
            arrays[name] = np.array(["" if cell is None else str(cell) for cell in cells])
    return arrays


def _matrix(column: Any) -> NDArray[Any]:
    import pyarrow as pa
    from pyarrow import compute

    if not hasattr(column.type, "value_type") or pa.types.is_dictionary(column.type):
        raise ValueError(f"its column `{FEATURES}` is of {column.type}: expected lists of numbers")
    if column.null_count:
        raise ValueError(f"{column.null_count} rows of its column `{FEATURES}` are empty")
    lengths = compute.unique(compute.list_value_length(column)).to_pylist()
    if len(lengths) > 1:
        few = f"{min(lengths)} and {max(lengths)}"
        raise ValueError(f"the lists in `{FEATURES}` have {few} numbers: expected one length")
    parts = [chunk.flatten().to_numpy(zero_copy_only=False) for chunk in column.chunks]
    values: NDArray[Any] = parts[0] if len(parts) == 1 else np.concatenate(parts)
    return values.reshape(len(column), -1)


def _labels(table: Any) -> dict[str, NDArray[Any]]:
    """Return ``y``, and the names of the classes where labels are names."""
    import pyarrow as pa
    from pyarrow import compute

    names = [name for name in ("label", "class_name") if name in table.column_names]
    if not names:
        return {}
    column = table.column(names[0])
    if pa.types.is_integer(column.type):
        return {"y": compute.fill_null(column, NO_LABEL).to_numpy().astype(np.int64)}
    cells = [None if cell is None else str(cell) for cell in column.to_pylist()]
    classes = sorted({cell for cell in cells if cell is not None})
    codes = {name: code for code, name in enumerate(classes)}
    y = np.array([NO_LABEL if cell is None else codes[cell] for cell in cells], np.int64)
    return {"y": y, "class_names": np.array(classes, np.str_)}
