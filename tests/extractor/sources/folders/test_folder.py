"""Folders of image files."""

from __future__ import annotations

import os
from pathlib import Path

from images_shared import touch

from featx.cache import SPLITS
from featx.extractor.sources import open_source


def test_class_folders_give_labels_in_a_fixed_order(tmp_path: Path) -> None:
    for name in ("b/2.png", "a/1.png", "a/10.png", "b/sub/1.png"):
        touch(tmp_path / name)
    listing = open_source(tmp_path).listing()
    assert list(listing.sample_ids) == ["a/1.png", "a/10.png", "b/2.png", "b/sub/1.png"]
    assert listing.class_names == ("a", "b")
    assert listing.labels.tolist() == [0, 0, 1, 1]
    assert listing.splits.tolist() == [-1] * 4


def test_splits_above_classes(tmp_path: Path) -> None:
    for name in ("train/cat/1.png", "train/dog/1.png", "test/dog/1.png", "valid/cat/3.png"):
        touch(tmp_path / name)
    listing = open_source(tmp_path).listing()
    assert listing.class_names == ("cat", "dog")
    assert [SPLITS[code] for code in listing.splits] == ["test", "train", "train", "val"]


def test_flat_folder_has_no_labels(tmp_path: Path) -> None:
    touch(tmp_path / "x.png")
    listing = open_source(tmp_path).listing()
    assert listing.labels.tolist() == [-1] and listing.class_names == ()


def test_files_that_are_no_images_are_counted_and_unknown_ones_kept(tmp_path: Path) -> None:
    for name in ("notes.txt", ".hidden.png", "Thumbs.db", "strange"):
        (tmp_path / name).write_bytes(b"x")
    touch(tmp_path / "x.png")
    source = open_source(tmp_path)
    assert source.left_out == {".txt": 1}
    assert list(source.listing().sample_ids) == ["strange", "x.png"]


def test_names_that_are_not_utf8_keep_their_identity(tmp_path: Path) -> None:
    raw = os.fsencode(tmp_path) + b"/caf\xe9.png"
    touch(tmp_path / "café.png")
    Path(os.fsdecode(raw)).write_bytes((tmp_path / "café.png").read_bytes())
    source = open_source(tmp_path)
    ids = list(source.listing().sample_ids)
    assert sorted(map(os.fsencode, ids)) == sorted([b"caf\xe9.png", "café.png".encode()])
    assert source.read(0) == source.read(1)


def test_a_link_that_loops_ends(tmp_path: Path) -> None:
    touch(tmp_path / "a" / "1.png")
    (tmp_path / "a" / "again").symlink_to(tmp_path, target_is_directory=True)
    assert list(open_source(tmp_path).listing().sample_ids) == ["a/1.png"]
