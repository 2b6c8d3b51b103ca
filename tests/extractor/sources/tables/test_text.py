"""Tables of text as programs and people write them."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from images_shared import touch

from featx.cache.errors import ConfigError, SourceFormatError
from featx.extractor.sources import Source, SourceOptions, open_source

ROWS = [("1.png", "cat"), ("a b.png", "dög"), ("3.png", "cat")]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, _ in ROWS:
        touch(tmp_path / name)
    return tmp_path


def labelled(source: Source) -> list[tuple[str, str]]:
    listing = source.listing()
    names = [listing.class_names[code] if code >= 0 else "" for code in listing.labels]
    return list(zip(listing.sample_ids, names, strict=True))


def table(separator: str = ",", end: str = "\n") -> str:
    return end.join(separator.join(row) for row in [("path", "label"), *ROWS]) + end


@pytest.mark.parametrize(
    "encoding",
    ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252", "latin-1"],
)
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_any_encoding_and_line_end(folder: Path, encoding: str, end: str) -> None:
    (folder / "t.csv").write_bytes(table(end=end).encode(encoding))
    assert labelled(open_source(folder / "t.csv")) == ROWS


@pytest.mark.parametrize("separator", [",", ";", "\t", "|", ", ", " ; "])
@pytest.mark.parametrize("name", ["t.csv", "t.tsv", "t.csv.gz", "T.CSV"])
def test_any_separator(folder: Path, separator: str, name: str) -> None:
    content = table(separator).encode()
    (folder / name).write_bytes(gzip.compress(content) if name.endswith("gz") else content)
    assert labelled(open_source(folder / name)) == ROWS


def test_a_separator_line_as_excel_writes_it(folder: Path) -> None:
    (folder / "t.csv").write_text("sep=;\r\n" + table(";", "\r\n"), "utf-8", newline="")
    assert labelled(open_source(folder / "t.csv")) == ROWS


@pytest.mark.parametrize("separator", [" ", "space", ":", "tab", "\\t"])
def test_a_separator_that_is_given(folder: Path, separator: str) -> None:
    character = {"space": " ", "tab": "\t", "\\t": "\t"}.get(separator, separator)
    text = "path,label\n1.png,cat\n3.png,dog\n".replace(",", character)
    (folder / "t.csv").write_text(text)
    source = open_source(folder / "t.csv", SourceOptions(separator=separator))
    assert labelled(source) == [("1.png", "cat"), ("3.png", "dog")]


@pytest.mark.parametrize("separator", ["", ",,", "komma"])
def test_a_separator_that_is_none(separator: str) -> None:
    with pytest.raises(ConfigError, match="--separator is one character"):
        SourceOptions(separator=separator)


def test_quotes_spaces_and_line_breaks(folder: Path) -> None:
    text = (
        ' "path" , "note" , "label" \n'
        ' "1.png" , "one, two" , " cat " \n'
        '"a b.png","first line\nsecond ""line""\r\nthird",dög\n'
        "\n , , \n"
        "3.png,,cat"
    )
    (folder / "t.csv").write_text(text, "utf-8", newline="")
    assert labelled(open_source(folder / "t.csv")) == ROWS


def test_line_breaks_in_quotes_of_a_large_file(folder: Path) -> None:
    note = '"' + "word\n" * 60_000 + '"'
    rows = [f"{name},{label},{note}" for name, label in ROWS * 2]
    names = [f"{number}.jpg" for number in range(6)]
    for name in names:
        touch(folder / name)
    lines = [row.replace(row.split(",")[0], name, 1) for name, row in zip(names, rows, strict=True)]
    (folder / "t.csv").write_text("\n".join(["path,label,note", *lines]), "utf-8")
    assert (folder / "t.csv").stat().st_size > 1 << 20
    assert [name for name, _ in labelled(open_source(folder / "t.csv"))] == names


def test_leading_zeros_and_words_for_nothing_are_classes(folder: Path) -> None:
    labels = ["007", "NA", "None", "null", "nan", "7"]
    for number in range(6):
        touch(folder / f"{number}.jpg")
    rows = [f"{number}.jpg,{label}" for number, label in enumerate(labels)]
    (folder / "t.csv").write_text("\n".join(["path,label", *rows, "1.png,"]))
    source = open_source(folder / "t.csv")
    assert [label for _, label in labelled(source)] == [*labels, ""]
    assert "are classes here; leave the cell empty for no label" in source.understood


def test_duplicate_headers(folder: Path) -> None:
    (folder / "t.csv").write_text("path,x,x,label\n1.png,1,2,cat\n")
    assert labelled(open_source(folder / "t.csv")) == [("1.png", "cat")]
    (folder / "t.csv").write_text("path,label,label\n1.png,cat,dog\n")
    with pytest.raises(SourceFormatError, match="2 columns called 'label'"):
        open_source(folder / "t.csv")


def test_columns_without_name_and_trailing_separators(folder: Path) -> None:
    (folder / "t.csv").write_text(",path,label,,\n0,1.png,cat,,\n1,3.png,dog,,,\n")
    assert labelled(open_source(folder / "t.csv")) == [("1.png", "cat"), ("3.png", "dog")]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('path,label\n1.png,"cat\n3.png,dog\n', "quote is opened in line 2 and not closed"),
        ("path,label\n1.png,cat\n3.png\n", "line 3 has 1 cell, the header 2. Write a missing cell"),
        ("path,label\n1.png,cat,dog\n", "line 2 has 3 cells, the header 2"),
        ("# my photos\npath,label\n1.png,cat\n", "Delete the lines above the header"),
        ("1.png,cat\n3.png,dog\n", "has no header: its first line is 1.png,cat"),
        (
            "bild,art\n1.png,cat\n",
            "columns bild, art.*'bild' seems to hold them.*--path-column bild",
        ),
        ("path label\n1.png cat\n", "--separator"),
        ("PK\x03\x04", "Excel workbook"),
    ],
)
def test_a_table_that_cannot_be_used_says_why(folder: Path, text: str, message: str) -> None:
    (folder / "t.csv").write_text(text)
    with pytest.raises(SourceFormatError, match=message):
        open_source(folder / "t.csv")


def test_a_cut_gzip_file_is_refused(folder: Path) -> None:
    (folder / "t.csv.gz").write_bytes(gzip.compress(table().encode() * 99)[:-20])
    with pytest.raises(SourceFormatError, match="not a readable table"):
        open_source(folder / "t.csv.gz")
