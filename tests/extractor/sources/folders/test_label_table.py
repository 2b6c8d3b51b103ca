"""Flat images whose labels lie in a table beside them."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from images_shared import touch

from featx.cache import SPLITS
from featx.cache.errors import SourceFormatError
from featx.extractor.sources import SourceOptions, open_source

ROWS = {"1.png": "cat", "2.png": "dog", "3.png": "cat"}


def labels_of(place: Path, options: SourceOptions | None = None) -> dict[str, str]:
    listing = open_source(place, options).listing()
    names = [listing.class_names[code] if code >= 0 else "" for code in listing.labels]
    return dict(zip(listing.sample_ids, names, strict=True))


def write(path: Path, rows: dict[str, str], header: str = "file_name,label") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([header, *(f"{k},{v}" for k, v in rows.items())]) + "\n")


@pytest.mark.parametrize("name", ["metadata.csv", "labels.csv", "metadata.jsonl", "x.parquet"])
def test_a_table_beside_flat_images_gives_their_labels(tmp_path: Path, name: str) -> None:
    for image in (*ROWS, "4.png"):
        touch(tmp_path / image)
    if name.endswith(".csv"):
        write(tmp_path / name, ROWS)
    elif name.endswith(".jsonl"):
        lines = [json.dumps({"file_name": k, "label": v}) for k, v in ROWS.items()]
        (tmp_path / name).write_text("\n".join(lines))
    else:
        pq.write_table(
            pa.table({"path": list(ROWS), "label": list(ROWS.values())}), tmp_path / name
        )
    source = open_source(tmp_path)
    assert labels_of(tmp_path) == {**ROWS, "4.png": ""}
    assert f"from {name}" in source.understood and "1 of them unlabelled" in source.understood
    assert source.left_out == {}


def test_a_table_for_each_split(tmp_path: Path) -> None:
    for split in ("train", "test"):
        for image in ROWS:
            touch(tmp_path / split / image)
        write(tmp_path / split / "metadata.csv", ROWS)
    assert labels_of(tmp_path)["test/2.png"] == "dog"
    assert "splits: 3 train / 3 test" in open_source(tmp_path).understood


def test_ids_in_a_table_above_the_images(tmp_path: Path) -> None:
    for image in ROWS:
        touch(tmp_path / "train" / image)
    touch(tmp_path / "test" / "9.png")
    write(tmp_path / "train.csv", {k[:-4]: v for k, v in ROWS.items()}, "id,breed")
    write(tmp_path / "sample_submission.csv", {"9": "cat"}, "id,breed")
    assert labels_of(tmp_path) == {"test/9.png": "", **{f"train/{k}": v for k, v in ROWS.items()}}


def test_rows_without_an_image_are_counted(tmp_path: Path) -> None:
    touch(tmp_path / "1.png")
    write(tmp_path / "labels.csv", ROWS)
    assert "2 rows of labels.csv without an image here" in open_source(tmp_path).understood


def test_two_tables_that_label_the_same_images_are_refused(tmp_path: Path) -> None:
    touch(tmp_path / "1.png")
    for name in ("a.csv", "b.csv"):
        write(tmp_path / name, ROWS)
    with pytest.raises(SourceFormatError, match=r"a\.csv and b\.csv"):
        open_source(tmp_path)
    write(tmp_path / "metadata.csv", {"1.png": "fish"})
    assert labels_of(tmp_path) == {"1.png": "fish"}


def test_rows_that_give_one_image_several_labels_are_refused(tmp_path: Path) -> None:
    touch(tmp_path / "1.png")
    (tmp_path / "boxes.csv").write_text("image,class,x\n1.png,cat,1\n1.png,cat,2\n")
    assert labels_of(tmp_path) == {"1.png": "cat"}
    (tmp_path / "boxes.csv").write_text("image,class,x\n1.png,cat,1\n1.png,dog,2\n")
    with pytest.raises(SourceFormatError, match=r"gives 1\.png several labels: cat, dog"):
        open_source(tmp_path)
    assert labels_of(tmp_path, SourceOptions(label_column="none")) == {"1.png": ""}


def test_predictions_beside_images_give_no_labels(tmp_path: Path) -> None:
    touch(tmp_path / "1.png")
    write(tmp_path / "predictions.csv", {"1.png": "cat,1.0,0.0"}, "id,predicted,p_cat,p_dog")
    assert labels_of(tmp_path) == {"1.png": ""}


def test_columns_called_otherwise(tmp_path: Path) -> None:
    touch(tmp_path / "1.png")
    write(tmp_path / "metadata.csv", {"1.png": "cat"}, "file_name,art")
    assert (
        "metadata.csv gives no labels (--label-column NAME takes one of: art)"
        in open_source(tmp_path).understood
    )
    assert labels_of(tmp_path, SourceOptions(label_column="art")) == {"1.png": "cat"}


def test_class_folders_win_over_a_table_which_is_said(tmp_path: Path) -> None:
    touch(tmp_path / "cat" / "1.png")
    touch(tmp_path / "dog" / "2.png")
    write(tmp_path / "metadata.csv", {"cat/1.png": "x", "dog/2.png": "y"})
    source = open_source(tmp_path)
    assert source.listing().class_names == ("cat", "dog")
    assert "left out: 1 .csv" in source.understood


def test_an_unreadable_table_beside_images_is_left_out(tmp_path: Path) -> None:
    touch(tmp_path / "1.png")
    (tmp_path / "x.parquet").write_bytes(b"no table")
    (tmp_path / "y.csv").write_text('a,b\n"1')
    source = open_source(tmp_path)
    assert source.left_out == {".csv": 1, ".parquet": 1}


@pytest.mark.parametrize(
    ("table", "header"), [("labels.csv", "id,breed"), ("trainLabels.csv", "id,label")]
)
def test_a_competition_of_kaggle(tmp_path: Path, table: str, header: str) -> None:
    for image in ("train/1f2e.jpg", "train/0a1b.jpg", "test/77aa.jpg"):
        touch(tmp_path / image)
    write(tmp_path / table, {"1f2e": "boxer", "0a1b": "whippet"}, header)
    write(tmp_path / "sample_submission.csv", {"77aa": "0.5"}, "id,boxer")
    assert labels_of(tmp_path) == {
        "test/77aa.jpg": "",
        "train/0a1b.jpg": "whippet",
        "train/1f2e.jpg": "boxer",
    }
    listing = open_source(tmp_path).listing()
    assert [SPLITS[code] for code in listing.splits] == ["test", "train", "train"]


def test_an_imagefolder_with_metadata_in_parquet(tmp_path: Path) -> None:
    for split in ("train", "test"):
        for image in ROWS:
            touch(tmp_path / split / image)
        columns = {
            "file_name": list(ROWS),
            "label": list(ROWS.values()),
            "caption": ["a", "b", "c"],
        }
        pq.write_table(pa.table(columns), tmp_path / split / "metadata.parquet")
    listing = open_source(tmp_path).listing()
    assert [SPLITS[code] for code in listing.splits] == ["test"] * 3 + ["train"] * 3
    names = [listing.class_names[code] for code in listing.labels]
    assert names == [*ROWS.values()] * 2
