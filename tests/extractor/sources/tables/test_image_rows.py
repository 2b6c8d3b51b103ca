"""Pictures in the rows of Parquet and Arrow files, as Hugging Face's datasets write them."""

from __future__ import annotations

import io
import json

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image
from pyarrow import feather, parquet

from featx.cache import SPLITS
from featx.cache.errors import EmptySourceError, SourceFormatError
from featx.extractor import SourceOptions, open_source
from featx.extractor.sources.tables import image_rows

NAMES = ["cat", "dog"]


def png(value):
    out = io.BytesIO()
    Image.fromarray(np.full((4, 5, 3), value, np.uint8)).save(out, "PNG")
    return out.getvalue()


def table(values, labels=(0, 1, -1), as_struct=True, **more):
    images = [{"bytes": png(v), "path": f"{v}.png"} if as_struct else png(v) for v in values]
    columns = {"image": images, "label": list(labels)[: len(values)], **more}
    features = {
        "image": {"_type": "Image"},
        "label": {"_type": "ClassLabel", "names": NAMES},
    }
    made = pa.table(columns)
    return made.replace_schema_metadata(
        {"huggingface": json.dumps({"info": {"features": features}})}
    )


@pytest.mark.parametrize("as_struct", [True, False])
def test_a_file_of_parquet(tmp_path, as_struct):
    parquet.write_table(
        table([1, 2, 3], as_struct=as_struct), tmp_path / "train.parquet", row_group_size=2
    )
    source = open_source(tmp_path / "train.parquet")
    listing = source.listing()
    assert [source.read(i) for i in (2, 0, 1)] == [png(3), png(1), png(2)]
    assert listing.class_names == ("cat", "dog") and listing.labels.tolist() == [0, 1, -1]
    assert [SPLITS[code] for code in listing.splits] == ["train"] * 3
    assert list(listing.sample_ids)[2] == "train.parquet:2" and source.stamps().all()


def test_a_folder_of_a_data_set_with_its_splits(tmp_path):
    (tmp_path / "README.md").write_text("# a data set")
    data = tmp_path / "data"
    data.mkdir()
    for name, values in (
        ("train-00000-of-00002", [1, 2]), ("train-00001-of-00002", [3]),
        ("validation-00000-of-00001", [4]), ("test-00000-of-00001", [5]),
    ):  # fmt: skip
        parquet.write_table(table(values), data / f"{name}.parquet")
    source = open_source(tmp_path)
    listing = source.listing()
    read = dict(zip(listing.sample_ids, map(source.read, range(5)), strict=True))
    assert read["data/train-00001-of-00002.parquet:0"] == png(3)
    assert sorted(SPLITS[code] for code in listing.splits) == [
        "test",
        "train",
        "train",
        "train",
        "val",
    ]
    assert "2 classes (cat, dog)" in source.understood


def test_arrow_files_and_streams(tmp_path):
    feather.write_feather(table([1, 2]), tmp_path / "a.feather", compression="uncompressed")
    with pa.ipc.new_stream(tmp_path / "b.arrow", table([1, 2]).schema) as writer:
        writer.write_table(table([1, 2]), 1)
    for name in ("a.feather", "b.arrow"):
        source = open_source(tmp_path / name)
        assert [source.read(1), source.read(0)] == [png(2), png(1)]
        assert source.listing().labels.tolist() == [0, 1]


def test_a_table_is_extracted_and_fitted(cli, tmp_path):
    values = list(range(0, 240, 10))
    labels = [value // 120 for value in values]
    parquet.write_table(table(values, labels), tmp_path / "all.parquet", row_group_size=5)
    done = cli("extract", "all.parquet", "--backbone", "pixels", "--json")
    assert json.loads(done.stdout)["n_extracted"] == len(values)
    assert cli("fit", "--head", "centroid").exit_code == 0


def test_several_pictures_a_row_are_refused_with_their_columns(tmp_path):
    path = tmp_path / "pairs.parquet"
    parquet.write_table(table([1, 2], mask=[{"bytes": png(v)} for v in (7, 8)]), path)
    with pytest.raises(SourceFormatError, match=r"2 pictures a row, in the columns image, mask"):
        open_source(path)
    source = open_source(path, SourceOptions(path_column="mask"))
    assert source.read(1) == png(8)


def test_rows_without_a_picture_are_told_when_they_are_read(tmp_path):
    made = pa.table({"image": [{"bytes": None, "path": "x.png"}, {"bytes": png(1), "path": "y"}]})
    parquet.write_table(made, tmp_path / "a.parquet")
    source = open_source(tmp_path / "a.parquet")
    with pytest.raises(OSError, match=r"no bytes, only the path x\.png"):
        source.read(0)
    assert source.read(1) == png(1)


def test_a_table_of_paths_stays_one(tmp_path):
    (tmp_path / "1.png").write_bytes(png(1))
    columns = {"path": ["1.png"], "label": ["cat"], "md5": [b"0123"]}
    parquet.write_table(pa.table(columns), tmp_path / "t.parquet")
    source = open_source(tmp_path / "t.parquet")
    assert source.read(0) == png(1) and list(source.listing().sample_ids) == ["1.png"]


def test_few_groups_of_rows_stay_in_memory(tmp_path, monkeypatch):
    values = list(range(1, 13))
    parquet.write_table(table(values, [0] * 12), tmp_path / "a.parquet", row_group_size=1)
    source = open_source(tmp_path / "a.parquet")
    for limit, n_kept in ((1 << 20, 4), (1, 2)):
        monkeypatch.setattr(image_rows, "KEPT_BYTES", limit)
        assert [source.read(index) for index in range(12)] == list(map(png, values))
        assert len(source._kept) == n_kept


def test_files_without_rows(tmp_path):
    empty = table([1]).slice(0, 0)
    parquet.write_table(empty, tmp_path / "a.parquet")
    feather.write_feather(empty, tmp_path / "b.feather")
    for name in ("a.parquet", "b.feather"):
        with pytest.raises(EmptySourceError, match=f"{name} has no rows"):
            open_source(tmp_path / name)
    parquet.write_table(table([7]), tmp_path / "c.parquet")
    assert open_source(tmp_path).read(0) == png(7)
