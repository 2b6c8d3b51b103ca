"""Tables of image files."""

import gzip
import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from featx.cache import SPLITS
from featx.cache.errors import SourceFormatError
from featx.extractor.sources import open_source

ROWS = [
    ("photos/2.png", "dog", "test", "p1"),
    ("photos/1.png", "cat", "train", "p1"),
    ("more/1.png", "cat", "valid", "p2"),
    ("more/with space é.png", "", "", ""),
]


def make_images(root):
    for number, (path, *_) in enumerate(ROWS):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (4, 4), (number, 0, 0)).save(root / path)


def write_table(root, ending):
    path = root / f"table{ending}"
    header = ("path", "label", "split", "group")
    if ending == ".parquet":
        columns = {name: [row[i] or None for row in ROWS] for i, name in enumerate(header)}
        pq.write_table(pa.table(columns), path)
        return path
    separator = "\t" if ending == ".tsv" else ","
    text = "\n".join(separator.join(row) for row in [header, *ROWS]) + "\n"
    content = text.encode()
    path.write_bytes(gzip.compress(content) if ending.endswith(".gz") else content)
    return path


@pytest.mark.parametrize("ending", [".csv", ".tsv", ".csv.gz", ".parquet"])
def test_table_gives_its_rows_in_order(tmp_path, ending):
    make_images(tmp_path)
    source = open_source(write_table(tmp_path, ending))
    listing = source.listing()
    assert list(listing.sample_ids) == [row[0] for row in ROWS]
    assert listing.class_names == ("cat", "dog")
    assert listing.labels.tolist() == [1, 0, 0, -1]
    assert [SPLITS[s] if s >= 0 else "" for s in listing.splits] == ["test", "train", "val", ""]
    assert list(listing.groups) == ["p1", "p1", "p2", ""]
    assert source.read(3) == (tmp_path / ROWS[3][0]).read_bytes()
    assert source.stamps()[:, 0].tolist() == [(tmp_path / r[0]).stat().st_size for r in ROWS]


def test_numbers_as_labels_keep_their_order(tmp_path):
    for name in "abc":
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "t.csv").write_text("file,class\na,10\nb,9\nc,007\n")
    listing = open_source(tmp_path / "t.csv").listing()
    assert listing.class_names == ("007", "9", "10")
    pq.write_table(pa.table({"path": ["a", "b"], "label": [10, 9]}), tmp_path / "t.parquet")
    assert open_source(tmp_path / "t.parquet").listing().class_names == ("9", "10")


def test_names_that_are_no_utf8_keep_their_identity(tmp_path):
    raw = os.fsencode(tmp_path) + b"/caf\xe9.png"
    Path(os.fsdecode(raw)).write_bytes(b"x")
    (tmp_path / "t.csv").write_bytes(b"path,label\ncaf\xe9.png,a\n")
    source = open_source(tmp_path / "t.csv")
    assert os.fsencode(source.listing().sample_ids[0]) == b"caf\xe9.png"
    assert source.read(0) == b"x"


def test_missing_file_of_a_table_is_an_unreadable_image_and_no_crash(tmp_path):
    (tmp_path / "there.png").write_bytes(b"x")
    (tmp_path / "t.csv").write_text("path\nthere.png\nnowhere.png\n")
    source = open_source(tmp_path / "t.csv")
    assert "1 of 2 files missing, first nowhere.png" in source.understood
    assert source.stamps()[1].tolist() == [0, 0, 0]
    with pytest.raises(OSError, match=r"nowhere\.png"):
        source.read(1)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b\n1,2\n", r"columns a, b\. Expected one called `path`"),
        ("path,label\n", "no rows"),
        ("path,label\n,x\n", "row 1 names no image"),
        ("path,split\nx,tain\n", "unknown split 'tain'"),
        ("path,label\nx,1\nx,2\n", "'x' occurs twice"),
        ("path,label\nx\n", "not a readable table"),
        ("", "not a readable table"),
    ],
)
def test_table_that_cannot_be_used_says_why(tmp_path, text, message):
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(SourceFormatError, match=message):
        open_source(tmp_path / "t.csv").listing()


@pytest.mark.parametrize("other", ["./1.png", "a/../1.png", "1.PNG", "1"])
def test_a_file_named_twice_in_two_spellings_is_refused(tmp_path: Path, other: str) -> None:
    (tmp_path / "a").mkdir()
    Image.new("RGB", (4, 4)).save(tmp_path / "1.png")
    (tmp_path / "t.csv").write_text(f"path,label\n1.png,cat\n{other},dog\n")
    with pytest.raises(SourceFormatError, match=r"rows 1 and 2, .* are one file"):
        open_source(tmp_path / "t.csv")


def test_damaged_parquet_is_refused(tmp_path):
    (tmp_path / "t.parquet").write_bytes(b"PAR1 but not really")
    with pytest.raises(SourceFormatError, match="not a readable table"):
        open_source(tmp_path / "t.parquet")
