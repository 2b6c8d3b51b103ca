"""Which column says what."""

from __future__ import annotations

from pathlib import Path

import pytest
from images_shared import touch

from featx.cache import SPLITS
from featx.cache.errors import ConfigError, SourceFormatError
from featx.extractor.sources import SourceOptions, open_source


def write(folder: Path, header: str, row: str = "1.png,cat,test,p1") -> Path:
    touch(folder / "1.png")
    (folder / "t.csv").write_text(f"{header}\n{row}\n")
    return folder / "t.csv"


@pytest.mark.parametrize(
    "header",
    [
        "path,label,split,group",
        "Path,Label,Split,Group",
        "file_name,class_name,subset,group_id",
        "fileName,className,partition,groupId",
        "Image Path,Category,SPLIT,Group ID",
        "image_id,breed,set,groups",
        "img,target,dataset,group",
    ],
)
def test_usual_names(tmp_path: Path, header: str) -> None:
    listing = open_source(write(tmp_path, header)).listing()
    assert listing.class_names == ("cat",)
    assert SPLITS[listing.splits[0]] == "test"
    assert listing.groups is not None and list(listing.groups) == ["p1"]


def test_columns_that_are_named(tmp_path: Path) -> None:
    table = write(tmp_path, "bild,art,teil,Kunde Nr")
    with pytest.raises(SourceFormatError, match=r"columns bild, art, teil, Kunde Nr"):
        open_source(table)
    options = SourceOptions(
        path_column="bild", label_column="Art", split_column="teil", group_column="kunde_nr"
    )
    source = open_source(table, options)
    listing = source.listing()
    assert (listing.class_names, listing.splits.tolist()) == (("cat",), [2])
    assert listing.groups is not None and list(listing.groups) == ["p1"]
    assert "(the column bild, label art, split teil, group Kunde Nr)" in source.understood


def test_none_takes_no_column(tmp_path: Path) -> None:
    table = write(tmp_path, "path,label,split,group")
    options = SourceOptions(label_column="none", split_column="none", group_column="none")
    listing = open_source(table, options).listing()
    assert (listing.class_names, listing.splits.tolist(), listing.groups) == ((), [-1], None)


@pytest.mark.parametrize("option", ["path", "label", "split", "group"])
def test_a_column_that_is_not_there(tmp_path: Path, option: str) -> None:
    table = write(tmp_path, "path,label,split,group")
    options = SourceOptions(**{f"{option}_column": f"{option}s"})
    with pytest.raises(SourceFormatError, match=f"no column '{option}s' for --{option}-column.*"):
        open_source(table, options)
    with pytest.raises(ConfigError, match=f"--{option}-column is empty"):
        SourceOptions(**{f"{option}_column": " "})


def test_a_column_that_may_be_a_split_and_is_none(tmp_path: Path) -> None:
    source = open_source(write(tmp_path, "path,label,dataset", "1.png,cat,imagenet"))
    assert source.listing().splits.tolist() == [-1]
    assert "columns not used: dataset" in source.understood


def test_an_unknown_split_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceFormatError, match="unknown split 'extra'"):
        open_source(write(tmp_path, "path,label,split", "1.png,cat,extra"))


def test_ids_beside_a_column_of_files_are_no_paths(tmp_path: Path) -> None:
    table = write(tmp_path, "id,bild,label", "7,1.png,cat")
    with pytest.raises(SourceFormatError, match=r"'bild' seems to hold them.*--path-column bild"):
        open_source(table)
    assert open_source(table, SourceOptions(path_column="bild")).read(0)
