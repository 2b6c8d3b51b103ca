"""Single images, lists of paths, patterns, standard input, several sources."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path

import pytest
from images_shared import touch

from featx.cache.errors import (
    ConfigError,
    EmptySourceError,
    SourceFormatError,
    SourceNotFoundError,
)
from featx.extractor.sources import Source, open_source

NAMES = ["b/2.png", "a/1.png", "a/with space.JPG", "a/line\nbreak.png", "a/caf\udce9.png"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for number, name in enumerate(NAMES):
        touch(tmp_path / name, number)
    (tmp_path / "a" / "notes.txt").write_text("x")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def ids(source: Source) -> list[str]:
    return list(source.listing().sample_ids)


@pytest.mark.parametrize("name", NAMES)
def test_one_image(folder: Path, name: str) -> None:
    for place in (name, folder / name):
        source = open_source(place)
        assert source.read(0) == (folder / name).read_bytes()
        assert source.understood.startswith("1 image, no labels")


def test_several_images_keep_their_order_and_their_names(folder: Path) -> None:
    source = open_source(NAMES)
    assert ids(source) == NAMES
    assert source.read(4) == (folder / NAMES[4]).read_bytes()
    assert open_source(NAMES[:2]).name != open_source(NAMES[1:3]).name


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("a/*.png", sorted(["a/1.png", NAMES[3], NAMES[4]], key=os.fsencode)),
        ("**/*.png", sorted([n for n in NAMES if n.endswith("png")], key=os.fsencode)),
        ("a/[0-9].png", ["a/1.png"]),
        ("a/*", sorted(NAMES[1:], key=os.fsencode)),
        ("?/2.png", ["b/2.png"]),
    ],
)
def test_patterns(folder: Path, pattern: str, expected: list[str]) -> None:
    assert sorted(ids(open_source(pattern)), key=os.fsencode) == expected
    assert len(open_source(str(folder / pattern)).listing()) == len(expected)


def test_a_pattern_that_fits_nothing_and_a_name_that_looks_like_one(folder: Path) -> None:
    with pytest.raises(EmptySourceError, match="no image or folder fits the pattern"):
        open_source("a/*.tif")
    with pytest.raises(SourceNotFoundError, match="no image or folder fits the pattern"):
        open_source("absent/*.tif")
    touch(folder / "x[1].png")
    assert open_source("x[1].png").read(0)


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\0"])
@pytest.mark.parametrize("where", ["file", "standard input"])
def test_a_list_of_paths(
    folder: Path, monkeypatch: pytest.MonkeyPatch, end: bytes, where: str
) -> None:
    names = [name for name in NAMES if end == b"\0" or "\n" not in name]
    content = end.join(map(os.fsencode, names)) + end
    if where == "file":
        (folder / "list.txt").write_bytes(content)
        monkeypatch.chdir("/")
        source = open_source(folder / "list.txt")
    else:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
        source = open_source("-")
    assert ids(source) == names
    assert source.read(1) == (folder / NAMES[1]).read_bytes()


def test_a_list_from_another_machine(folder: Path) -> None:
    (folder / "list.txt").write_text("a\\1.png\n\n  b/2.png \nb/gone.png\na\\1.png\n", "utf-16")
    source = open_source(folder / "list.txt")
    assert ids(source) == ["a\\1.png", "  b/2.png ", "b/gone.png"]
    assert source.read(1) == (folder / "b/2.png").read_bytes()
    assert "1 of 3 files missing, first b/gone.png" in source.understood
    assert "1 path given again" in source.understood


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "lists nothing"),
        ("x.png\ny.png\n", r"0 of 2 files found; the first tried was .*x\.png"),
        ("a/1.png 3\nb/2.png 4\n", r"0 of 2 files found.*For labels such as '3'"),
    ],
)
def test_lists_that_cannot_be_used(folder: Path, content: str, message: str) -> None:
    (folder / "list.txt").write_text(content)
    with pytest.raises(SourceFormatError, match=message):
        open_source(folder / "list.txt")


def test_nothing_on_standard_input(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"")))
    with pytest.raises(SourceFormatError, match="standard input lists nothing"):
        open_source("-")


def test_several_sources_of_any_kind(folder: Path) -> None:
    touch(folder / "c/cat/1.png", 7)
    touch(folder / "c/dog/1.png", 8)
    (folder / "t.csv").write_text("path,label\nb/2.png,dog\na/1.png,ape\n")
    source = open_source(["c/", "b/2.png", folder / "t.csv"])
    listing = source.listing()
    table = str(folder / "t.csv")
    assert ids(source) == [
        "b/2.png",
        "c/cat/1.png",
        "c/dog/1.png",
        f"{table}/b/2.png",
        f"{table}/a/1.png",
    ]
    assert listing.class_names == ("ape", "cat", "dog")
    assert listing.labels.tolist() == [-1, 1, 2, 2, 0]
    assert source.read(4) == (folder / "a/1.png").read_bytes()
    assert len(source.stamps()) == 5
    assert "c/: 2 images" in source.understood


def test_sources_that_make_no_sense(folder: Path) -> None:
    with pytest.raises(SourceFormatError, match="a: given twice"):
        open_source(["a", "b", "a"])
    with pytest.raises(SourceFormatError, match=r"a, \./a: given twice"):
        open_source(["a", "./a"])
    with pytest.raises(ConfigError, match="no source given"):
        open_source([])
    assert open_source(open_source("a")).name == open_source(["a"]).name


def test_an_image_without_an_ending(folder: Path) -> None:
    (folder / "photo").write_bytes((folder / "a/1.png").read_bytes())
    assert open_source("photo").read(0) == (folder / "photo").read_bytes()
    assert ids(open_source(["photo", "a/1.png"])) == ["photo", "a/1.png"]


def test_a_pattern_of_folders_and_files_takes_both(folder: Path) -> None:
    touch(folder / "p" / "cat" / "1.png")
    touch(folder / "p" / "2.png")
    assert len(open_source("p/*").listing()) == 2


def test_a_table_called_txt(folder: Path) -> None:
    (folder / "t.txt").write_text("path\tlabel\na/1.png\tcat\n", "utf-16")
    assert open_source("t.txt").listing().class_names == ("cat",)
