"""Tables of records: JSON lines, JSON lists, Parquet."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from images_shared import touch

from featx.cache.errors import SourceFormatError
from featx.extractor.sources import Source, open_source

RECORDS = [
    {"file_name": "1.png", "label": "cat", "split": "train", "more": {"a": [1]}},
    {"file_name": "2.png", "label": None, "split": "test"},
    {"label": 7, "file_name": "3.png"},
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number in range(1, 4):
        touch(tmp_path / f"{number}.png")
    return tmp_path


def check(source: Source) -> None:
    listing = source.listing()
    assert list(listing.sample_ids) == ["1.png", "2.png", "3.png"]
    assert listing.class_names == ("7", "cat")
    assert listing.labels.tolist() == [1, -1, 0]
    assert listing.splits.tolist() == [0, 2, -1]


@pytest.mark.parametrize("name", ["t.jsonl", "t.ndjson", "t.jsonl.gz", "t.json", "list.json"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_json(folder: Path, name: str, encoding: str) -> None:
    lines = "\r\n".join(map(json.dumps, RECORDS)) + "\n\n"
    content = (json.dumps(RECORDS, indent=1) if name == "list.json" else lines).encode(encoding)
    (folder / name).write_bytes(gzip.compress(content) if name.endswith("gz") else content)
    check(open_source(folder / name))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"path": "1.png"}\n{"path": ', "line 2"),
        ('["1.png", "2.png"]', "record 1 is no object"),
        ('{"images": [{"file_name": "1.png"}], "annotations": [{"id": 1}]}', "COCO"),
        ('{"path": "1.png", "label": ["cat", "dog"]}', "several labels in a cell"),
        ('{"path": ["1.png", "2.png"]}', "0 of 1 file found"),
        ("", "columns none"),
    ],
)
def test_json_that_cannot_be_used_says_why(folder: Path, text: str, message: str) -> None:
    (folder / "t.jsonl").write_text(text)
    with pytest.raises(SourceFormatError, match=message):
        open_source(folder / "t.jsonl")


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        ([1, 0, 1], ("0", "1")),
        ([1.0, None, 2.0], ("1", "2")),
        ([True, False, True], ("False", "True")),
        ([" cat", "dog ", "cat"], ("cat", "dog")),
        (pa.array(["cat", "dog", "cat"]).dictionary_encode(), ("cat", "dog")),
    ],
)
def test_parquet_of_any_type(folder: Path, labels: object, classes: tuple[str, ...]) -> None:
    table = pa.table({"path": [f"{n}.png" for n in range(1, 4)], "label": labels})
    pq.write_table(table, folder / "t.parquet")
    assert open_source(folder / "t.parquet").listing().class_names == classes


def test_parquet_that_cannot_be_used_says_why(folder: Path) -> None:
    names = [f"{n}.png" for n in range(1, 4)]
    pq.write_table(pa.table({"path": names, "label": [["a"], ["b"], ["a"]]}), folder / "l.parquet")
    with pytest.raises(SourceFormatError, match="several labels in a cell"):
        open_source(folder / "l.parquet")
