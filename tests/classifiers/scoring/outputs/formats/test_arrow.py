"""Predictions as an Arrow file."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
from pyarrow import feather

from featx.classifiers.scoring.outputs.formats import arrow
from featx.classifiers.scoring.outputs.formats.record import TOP_K


def test_lists_and_dictionaries_come_back_from_several_groups(tmp_path: Path) -> None:
    path = tmp_path / "p.arrow"
    columns = {
        "predicted": pa.array(["b", None, "a"]).dictionary_encode(),
        "top_classes": pa.array([["b", "a"], None, ["a", "b"]], pa.list_(pa.string())),
    }
    table = pa.table(columns, metadata={TOP_K: "2"})
    with path.open("wb") as file, arrow.open_writer(file) as write:
        for start in (0, 1, 2):
            write(table.slice(start, 1))
    assert feather.read_table(str(path)).equals(table) and arrow.is_own(path)
    with pa.memory_map(str(path)) as source:
        assert pa.ipc.open_file(source).num_record_batches == 3
    feather.write_feather(table.replace_schema_metadata(None), str(path))
    assert not arrow.is_own(path)
