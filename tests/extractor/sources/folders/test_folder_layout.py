"""What folders say, in the shapes that people have them."""

from __future__ import annotations

from pathlib import Path

import pytest
from images_shared import touch

from featx.cache import SPLITS
from featx.cache.errors import SourceFormatError
from featx.extractor.sources import open_source
from featx.extractor.sources.folders.folder_layout import read_layout


def understood(root: Path, *names: str) -> tuple[dict[str, tuple[str, str]], str]:
    """Open a folder of images; return label and split of each, and how it was understood."""
    for name in names:
        touch(root / name)
    source = open_source(root)
    listing = source.listing()
    pairs = zip(listing.labels, listing.splits, strict=True)
    of_ids = [
        (listing.class_names[label] if label >= 0 else "", SPLITS[split] if split >= 0 else "")
        for label, split in pairs
    ]
    return dict(zip(listing.sample_ids, of_ids, strict=True)), source.understood


@pytest.mark.parametrize(
    ("folder", "split"),
    [
        ("train", "train"),
        ("Training", "train"),
        ("TRAIN", "train"),
        ("train_set", "train"),
        ("trainset", "train"),
        ("train-images", "train"),
        ("validation", "val"),
        ("Valid", "val"),
        ("val", "val"),
        ("dev", "val"),
        ("Testing", "test"),
        ("test_data", "test"),
    ],
)
def test_splits_in_any_usual_spelling(tmp_path: Path, folder: str, split: str) -> None:
    images, line = understood(tmp_path, f"{folder}/cat/1.png", f"{folder}/dog/2.png")
    assert images[f"{folder}/cat/1.png"] == ("cat", split)
    assert "2 images, 2 classes (cat, dog)" in line and f"2 {split}" in line


@pytest.mark.parametrize("inner", ["cat/1.png", "1.png"])
def test_folders_beside_splits_are_refused_by_name(tmp_path: Path, inner: str) -> None:
    for folder in ("train", "test", "extra"):
        touch(tmp_path / folder / inner)
    with pytest.raises(SourceFormatError, match=r"splits test, train and beside them extra"):
        open_source(tmp_path)


def test_a_class_called_as_a_split_is_a_class(tmp_path: Path) -> None:
    images, line = understood(tmp_path, "train/1.png", "car/1.png", "bus/1.png")
    assert {label for label, _ in images.values()} == {"train", "car", "bus"}
    assert "train is taken as a class" in line


def test_splits_with_a_common_prefix_and_again_inside(tmp_path: Path) -> None:
    images, _ = understood(
        tmp_path, "seg_train/seg_train/sea/1.png", "seg_train/seg_train/ice/2.png",
        "seg_test/seg_test/sea/3.png", "seg_test/seg_test/ice/3.png",
    )  # fmt: skip
    assert images["seg_test/seg_test/sea/3.png"] == ("sea", "test")
    assert images["seg_train/seg_train/ice/2.png"] == ("ice", "train")


@pytest.mark.parametrize("folders", [("train2017", "val2017"), ("train", "test1")])
def test_splits_with_a_number(tmp_path: Path, folders: tuple[str, str]) -> None:
    names = [f"{folder}/{label}/1.png" for folder in folders for label in ("cat", "dog")]
    images, line = understood(tmp_path, *names)
    assert {split for _, split in images.values()} == {"train", folders[1].rstrip("0127")}
    assert "2 classes (cat, dog)" in line


def test_splits_below_classes(tmp_path: Path) -> None:
    images, line = understood(
        tmp_path, "cat/train/1.png", "cat/test/2.png", "dog/train/3.png", "dog/test/3.png"
    )
    assert images["cat/test/2.png"] == ("cat", "test")
    assert "splits in classes" in line


@pytest.mark.parametrize("wrapper", ["photos", "dataset/images", "a/b/c"])
@pytest.mark.parametrize("splits", [("",), ("train/", "val/")])
def test_wrappers_are_looked_through_and_said(
    tmp_path: Path, wrapper: str, splits: tuple[str, ...]
) -> None:
    names = [f"{wrapper}/{s}{c}/1.png" for s in splits for c in ("cat", "dog")]
    images, line = understood(tmp_path, *names)
    assert {label for label, _ in images.values()} == {"cat", "dog"}
    assert f"looked through {wrapper}/" in line
    assert ("1 val" in line or "2 val" in line) == (len(splits) > 1)


def test_one_folder_of_images_is_a_class_unless_its_name_says_images(tmp_path: Path) -> None:
    images, _ = understood(tmp_path / "a", "cat/1.png", "cat/young/2.png")
    assert {label for label, _ in images.values()} == {"cat"}
    images, line = understood(tmp_path / "b", "images/1.png")
    assert images == {"images/1.png": ("", "")} and "no labels" in line


@pytest.mark.parametrize(
    "junk",
    [
        "@eaDir/1.jpg/SYNOPHOTO_THUMB_M.jpg", "#recycle/1.png", "$RECYCLE.BIN/1.png",
        "System Volume Information/1.png", "__MACOSX/._1.png", "lost+found/1.png",
        ".ipynb_checkpoints/1.png", ".git/1.png", ".Trash-1000/1.png", ".AppleDouble/1.png",
        ".thumbnails/1.png", ".cache/1.png", "@Recycle/1.png", "__pycache__/1.png",
        "~snapshot/1.png", "FOUND.002/1.png", "node_modules/1.png",
    ],
)  # fmt: skip
@pytest.mark.parametrize("below", ["", "cat/"])
def test_folders_of_tools_are_no_classes(tmp_path: Path, junk: str, below: str) -> None:
    images, line = understood(tmp_path, "cat/1.png", "dog/2.png", f"{below}{junk}")
    assert list(images) == ["cat/1.png", "dog/2.png"]
    folder = junk.split("/")[0]
    assert folder.startswith(".") or f"passed over {folder}" in line


def test_files_of_tools_are_no_images(tmp_path: Path) -> None:
    names = ("Thumbs.db", ".DS_Store", "._1.png", "SYNOFILE_THUMB_M.jpg", "desktop.ini")
    images, line = understood(tmp_path, "cat/1.png", "dog/2.png", *(f"cat/{n}" for n in names))
    assert list(images) == ["cat/1.png", "dog/2.png"]
    assert "hidden" not in line
    assert "passed over 1 hidden image" in understood(tmp_path, "cat/.2.png")[1]


def test_empty_class_folders_are_named(tmp_path: Path) -> None:
    (tmp_path / "boots").mkdir()
    touch(tmp_path / "hats" / "notes.txt")
    _, line = understood(tmp_path, "cat/1.png", "dog/2.png")
    assert "no image in boots/, hats/" in line
    (tmp_path / "s" / "train" / "boots").mkdir(parents=True)
    _, line = understood(tmp_path / "s", "train/cat/1.png", "test/cat/2.png")
    assert "no image in train/boots/" in line
    (tmp_path / "s" / "val").mkdir()
    assert "val/" in understood(tmp_path / "s")[1]


def test_flat_images_beside_class_folders_are_counted(tmp_path: Path) -> None:
    images, line = understood(tmp_path, "cat/1.png", "dog/2.png", "stray.png")
    assert images["stray.png"] == ("", "")
    assert "1 image beside the class folders without label" in line


def test_classes_that_differ_in_capitals_are_said(tmp_path: Path) -> None:
    _, line = understood(tmp_path, "Cat/1.png", "cat/2.png")
    assert "'Cat' and 'cat' are different classes here" in line


def test_class_folders_of_numbers_take_their_names_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "classes.txt").write_text("cat\ndog\nbird\n")
    images, line = understood(tmp_path, "0/1.png", "2/2.png")
    assert images["2/2.png"] == ("bird", "")
    assert "classes called as in classes.txt" in line


@pytest.mark.parametrize("as_text", [False, True])
def test_two_links_to_one_folder_are_both_followed(tmp_path: Path, as_text: bool) -> None:
    for name in ("valid/cat/1.png", "valid/dog/2.png"):
        touch(tmp_path / name)
    for name in ("train", "test", "val"):
        touch(tmp_path / "photos/train/cat/0.png")
        if name != "train" and as_text:  # as git writes them where there are no links
            (tmp_path / "photos" / name).write_text("../valid")
        elif name != "train":
            (tmp_path / "photos" / name).symlink_to("../valid", target_is_directory=True)
    source = open_source(tmp_path / "photos")
    assert source.read(0) == (tmp_path / "valid/cat/1.png").read_bytes()
    assert source.stamps().all()
    images, _ = understood(tmp_path / "photos")
    assert [name for name in images if not name.startswith("train")] == [
        "test/cat/1.png", "test/dog/2.png", "val/cat/1.png", "val/dog/2.png",
    ]  # fmt: skip


def test_links_to_files_each_count_and_a_dangling_one_is_reported(tmp_path: Path) -> None:
    touch(tmp_path / "cat" / "1.png")
    (tmp_path / "cat" / "2.png").symlink_to("1.png")
    (tmp_path / "cat" / "3.png").symlink_to("gone.png")
    (tmp_path / "dog").mkdir()
    (tmp_path / "dog" / "self").symlink_to("self")
    source = open_source(tmp_path)
    assert list(source.listing().sample_ids)[:3] == ["cat/1.png", "cat/2.png", "cat/3.png"]
    assert source.read(1) == source.read(0)
    with pytest.raises(OSError, match=r"3\.png"):
        source.read(2)


def test_a_link_to_an_ancestor_is_cut_and_named(tmp_path: Path) -> None:
    (tmp_path / "cat").mkdir()
    (tmp_path / "cat" / "up").symlink_to(tmp_path, target_is_directory=True)
    images, line = understood(tmp_path, "cat/1.png", "dog/1.png")
    assert len(images) == 2
    (tmp_path / "dog" / "above").symlink_to(tmp_path.parent, target_is_directory=True)
    assert len(understood(tmp_path)[0]) == 2
    assert "not listed: cat/up (a link to a folder above it)" in line


def test_a_pipe_is_no_image(tmp_path: Path) -> None:
    import os

    (tmp_path / "cat").mkdir()
    os.mkfifo(tmp_path / "cat" / "pipe.png")
    images, _ = understood(tmp_path, "cat/1.png")
    assert list(images) == ["cat/1.png"]


def test_a_class_has_one_name_in_memory_however_many_its_images() -> None:
    paths = [f"{folder}/{i}.jpg" for i in range(50) for folder in ("cat", "dog")]
    classes = read_layout(paths, ["cat", "dog"], "photos").classes
    assert classes == ["cat", "dog"] * 50
    assert len({id(name) for name in classes}) == 2
