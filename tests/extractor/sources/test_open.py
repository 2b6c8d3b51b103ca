"""The one door to all sources."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from images_shared import png, touch, write_shard

from featx.cache.errors import SourceFormatError, SourceNotFoundError
from featx.extractor.sources import SourceOptions, open_source


@pytest.mark.parametrize("make", ["empty", "missing", "file", "only text"])
def test_places_that_are_no_source(tmp_path: Path, make: str) -> None:
    place = tmp_path / "place"
    if make == "file":
        place.write_text("hello")
    elif make != "missing":
        place.mkdir()
    if make == "only text":
        (place / "a.txt").write_text("hello")
    expected = SourceNotFoundError if make == "missing" else SourceFormatError
    with pytest.raises(expected, match="place"):
        open_source(place)


def write_pixels(path: Path) -> None:
    header = ",".join(["label", *(f"pixel{n}" for n in range(16))])
    path.write_text(f"{header}\n1,{','.join(map(str, range(16)))}\n")


def write_idx(path: Path) -> None:
    path.write_bytes(bytes([0, 0, 8, 3]) + np.array([1, 2, 2], ">u4").tobytes() + bytes(4))


STRAYS = {
    "old.tar": lambda path: write_shard(path, [("0.png", png(0)), ("1.png", png(1))]),
    "train-images-idx3-ubyte": write_idx,
    "train.csv": write_pixels,
    "data.npz": lambda path: np.savez(path, X=np.zeros((2, 4, 4), np.uint8)),
}


@pytest.mark.parametrize("stray", STRAYS)
def test_a_stray_file_does_not_hide_class_folders(tmp_path: Path, stray: str) -> None:
    STRAYS[stray](tmp_path / stray)
    alone = open_source(tmp_path)
    assert 1 <= len(alone.listing()) <= 2
    for number, folder in enumerate(("cat", "cat", "dog")):
        touch(tmp_path / folder / f"{number}.png", number)
    source = open_source(tmp_path)
    assert list(source.listing().sample_ids) == ["cat/0.png", "cat/1.png", "dog/2.png"]
    assert stray in source.understood or f"1 .{stray.split('.')[-1]}" in source.understood


def test_a_stray_image_does_not_hide_shards(tmp_path: Path) -> None:
    for number in range(3):
        write_shard(tmp_path / f"{number}.tar", [("x.png", png(number))])
    touch(tmp_path / "preview.png")
    source = open_source(tmp_path)
    assert list(source.listing().sample_ids) == ["0/x", "1/x", "2/x"]
    assert "passed over 1 image" in source.understood


def test_a_folder_without_images_names_the_files_that_are_sources(tmp_path: Path) -> None:
    for name in ("a.npz", "b.npz"):
        np.savez(tmp_path / name, X=np.zeros((2, 4, 4), np.uint8))
    with pytest.raises(SourceFormatError, match=r"name one of its files: a\.npz, b\.npz"):
        open_source(tmp_path)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("t.xlsx", "Save the sheet as CSV"),
        ("x.pkl", "A pickle can run code"),
        ("film.mp4", "Write the frames to files"),
        ("x.docx", "cannot read as a source"),
    ],
)
def test_files_that_are_no_source_say_what_to_do(tmp_path: Path, name: str, message: str) -> None:
    (tmp_path / name).write_bytes(b"x")
    with pytest.raises(SourceFormatError, match=f"{message}.*Expected a folder of images"):
        open_source(tmp_path / name)


def test_a_folder_by_any_spelling_has_one_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    touch(tmp_path / "my photos" / "1.png")
    monkeypatch.chdir(tmp_path)
    spellings = ["my photos", "my photos/", "./my photos", (tmp_path / "my photos").as_uri()]
    assert len({open_source(spelling).name for spelling in spellings}) == 1


def test_an_empty_name_is_no_folder() -> None:
    with pytest.raises(SourceNotFoundError, match="empty"):
        open_source("")


@pytest.mark.parametrize("place", ["nowhere", "a\0b", "x" * 300, "nowhere/1.png"])
def test_places_where_nothing_is(place: str) -> None:
    with pytest.raises(SourceNotFoundError):
        open_source(place)


def test_a_listing_is_made_once(tmp_path: Path) -> None:
    touch(tmp_path / "1.png")
    source = open_source(tmp_path)
    assert source.listing() is source.listing()


def test_the_order_does_not_depend_on_the_order_of_the_disk(tmp_path: Path) -> None:
    names = [f"{folder}/{name}.png" for folder in "cab" for name in ("10", "2", "A", "é")]
    for name in names:
        touch(tmp_path / name)
    ids = list(open_source(tmp_path).listing().sample_ids)
    assert ids == sorted(names, key=str.encode)


def test_options_for_columns_that_have_no_meaning_are_said(tmp_path: Path) -> None:
    options = SourceOptions(label_column="art")
    np.savez(tmp_path / "x.npz", X=np.zeros((2, 4, 4), np.uint8))
    for name in ("cat/1.png", "dog/1.png"):
        touch(tmp_path / "photos" / name)
    for name in ("x.npz", "photos", "photos/cat/1.png"):
        assert (
            "options for columns are not used" in open_source(tmp_path / name, options).understood
        )
