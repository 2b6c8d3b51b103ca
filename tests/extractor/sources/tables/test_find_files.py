"""Paths in tables and lists, as they come from other machines and programs."""

from __future__ import annotations

from pathlib import Path

import pytest
from images_shared import touch

from featx.cache.errors import SourceFormatError
from featx.extractor.sources import open_source

NAMES = ("cat/1.png", "cat/2.png", "dog/3.png")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number, name in enumerate(NAMES):
        touch(tmp_path / "data" / name, number)
    return tmp_path / "data"


def write(path: Path, *cells: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [f'"{cell}",{number % 2}' for number, cell in enumerate(cells)]
    path.write_text("\n".join(["path,label", *rows]))
    return path


def check(table: Path, folder: Path, cells: tuple[str, ...], note: str) -> None:
    source = open_source(write(table, *cells))
    assert list(source.listing().sample_ids) == list(cells)
    assert [source.read(i) for i in range(3)] == [(folder / name).read_bytes() for name in NAMES]
    assert source.stamps()[:, 0].all()
    assert note in source.understood


@pytest.mark.parametrize(
    ("cells", "note"),
    [
        (NAMES, "classes (0, 1)"),
        (tuple(f"./{name}" for name in NAMES), "classes"),
        (tuple(name.replace("/", "\\") for name in NAMES), "backslashes, read as slashes"),
        (tuple(f".\\{name}".replace("/", "\\") for name in NAMES), "backslashes"),
        (tuple(name.replace(".png", ".PNG") for name in NAMES), "written otherwise"),
        (tuple(name.removesuffix(".png") for name in NAMES), "no ending"),
        (tuple(name.upper() for name in NAMES), "found by their names"),
        (tuple(Path(name).name for name in NAMES), "found by their names in cat/, dog/"),
        (tuple(Path(name).stem for name in NAMES), "found by their names"),
        (tuple(f"/home/ann/photos/{name}" for name in NAMES), "found by their names"),
        (tuple(f"C:\\ann\\{name}".replace("/", "\\") for name in NAMES), "found by their names"),
        (("cat/1.png", "cat\\2.png", "dog/3.PNG"), "2 of 3 paths"),
    ],
)
def test_paths_are_found_as_they_are_written(
    folder: Path, cells: tuple[str, ...], note: str
) -> None:
    check(folder / "t.csv", folder, cells, note)


def test_absolute_paths_and_file_urls(folder: Path) -> None:
    check(folder.parent / "t.csv", folder, tuple(str(folder / n) for n in NAMES), "classes")
    with_space = folder / "cat" / "a b.png"
    touch(with_space)
    source = open_source(write(folder / "u.csv", with_space.as_uri()))
    assert source.read(0) == with_space.read_bytes()


@pytest.mark.parametrize("kind", ["parent", "working folder"])
def test_paths_relative_to_another_folder(
    folder: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    place = folder / "annotations" if kind == "parent" else folder.parent / "lists" / "deep"
    monkeypatch.chdir(folder)
    check(place / "t.csv", folder, NAMES, f"paths are relative to {folder}")


def test_images_in_a_sibling_folder(tmp_path: Path) -> None:
    for name in ("1.png", "2.png"):
        touch(tmp_path / "images" / name)
    touch(tmp_path / "masks" / "3.png")
    source = open_source(write(tmp_path / "t.csv", "1.png", "2.png"))
    assert "found by their names in images/" in source.understood


@pytest.mark.parametrize("cell", ["1", "1.png"])
def test_a_name_that_fits_several_files_is_refused(tmp_path: Path, cell: str) -> None:
    for folder in ("train", "test"):
        touch(tmp_path / folder / "1.png")
    with pytest.raises(SourceFormatError, match=r"fits several files: test/1\.png, train/1\.png"):
        open_source(write(tmp_path / "t.csv", cell))
    touch(tmp_path / "1.jpg")
    touch(tmp_path / "1.png")
    with pytest.raises(SourceFormatError, match=r"fits several files: 1\.jpg, 1\.png"):
        open_source(write(tmp_path / "t.csv", "1"))
    (tmp_path / "1.jpg").rename(tmp_path / "1.txt")  # beside annotations that is no question
    assert open_source(write(tmp_path / "t.csv", "1")).read(0)


def test_no_file_at_all_stops_at_once(folder: Path) -> None:
    table = write(folder / "t.csv", *(f"x/{number}.png" for number in range(7, 16)))
    with pytest.raises(SourceFormatError, match=r"0 of 9 files found; the first tried was .*x/7"):
        open_source(table)


def test_some_missing_files_are_counted_and_reported(folder: Path) -> None:
    source = open_source(write(folder / "t.csv", "cat/1.png", "cat/gone.png", "cat"))
    assert "2 of 3 files missing, first cat/gone.png" in source.understood
    for index in (1, 2):
        with pytest.raises(OSError):
            source.read(index)


@pytest.mark.parametrize("url", ["http://host/1.png", "https://host/1.png", "s3://bucket/1.png"])
def test_urls_in_a_table_are_refused(folder: Path, url: str) -> None:
    with pytest.raises(SourceFormatError, match=r"names a URL.*download the images"):
        open_source(write(folder / "t.csv", url))


def test_accents_in_either_form(tmp_path: Path) -> None:
    touch(tmp_path / "cafe\u0301.png")
    assert open_source(write(tmp_path / "t.csv", "caf\u00e9.png")).read(0)


def test_the_same_image_twice_is_refused_with_its_rows(folder: Path) -> None:
    table = write(folder / "t.csv", "cat/1.png", "dog/3.png", "cat/1.png")
    with pytest.raises(SourceFormatError, match=r"'cat/1.png' occurs twice, in rows 1 and 3"):
        open_source(table)


def test_a_file_of_the_same_name_in_another_folder_is_another_file(folder: Path) -> None:
    with pytest.raises(SourceFormatError, match="0 of 1 file found"):
        open_source(write(folder / "t.csv", "fish/1.png"))


def test_rows_that_lead_to_one_file_are_refused(tmp_path: Path) -> None:
    touch(tmp_path / "1.png")
    with pytest.raises(SourceFormatError, match=r"rows 1 and 2, 'a/1.png' and 'b/1.png', are one"):
        open_source(write(tmp_path / "t.csv", "a/1.png", "b/1.png"))


def test_many_files_of_one_name_are_told_apart_by_their_folders(tmp_path: Path) -> None:
    names = [f"s{number}/image.png" for number in range(300)]
    for number, name in enumerate(names):
        touch(tmp_path / "data" / name, number % 256)
    source = open_source(write(tmp_path / "t.csv", *(f"/home/ann/{name}" for name in names)))
    assert source.read(299) == (tmp_path / "data/s299/image.png").read_bytes()
