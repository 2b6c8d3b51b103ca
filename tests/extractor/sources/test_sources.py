from __future__ import annotations

import gzip
import os
import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from featx.cache import SPLITS
from featx.cache.errors import SourceFormatError, SourceNotFoundError
from featx.extractor.sources import digest_of, open_source, write_sample


def touch(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (4, 4)).save(path, "PNG")


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


def write_idx(path: Path, values: np.ndarray) -> None:
    header = struct.pack(f">HBB{values.ndim}I", 0, 8, values.ndim, *values.shape)
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "wb") as file:
        file.write(header + values.astype(np.uint8).tobytes())


@pytest.mark.parametrize("ending", ["", ".gz"])
def test_idx_pairs_with_splits_and_names(tmp_path: Path, ending: str) -> None:
    images = np.arange(5 * 4 * 3).reshape(5, 4, 3)
    write_idx(tmp_path / f"train-images-idx3-ubyte{ending}", images[:3])
    write_idx(tmp_path / f"train-labels-idx1-ubyte{ending}", np.array([1, 0, 1]))
    write_idx(tmp_path / f"t10k-images-idx3-ubyte{ending}", images[3:])
    write_idx(tmp_path / f"t10k-labels-idx1-ubyte{ending}", np.array([0, 0]))
    (tmp_path / "class_names.txt").write_text("no\nyes\n")
    source = open_source(tmp_path)
    listing = source.listing()
    assert list(listing.sample_ids)[::4] == ["train/00000", "test/00001"]
    assert listing.labels.tolist() == [1, 0, 1, 0, 0]
    assert listing.class_names == ("no", "yes")
    assert [SPLITS[c] for c in listing.splits] == ["train"] * 3 + ["test"] * 2
    assert np.array_equal(np.asarray(source.read(4)), images[4])


@pytest.mark.parametrize("damage", ["short", "not gzip", "labels"])
def test_damaged_idx_is_refused(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "train-images-idx3-ubyte.gz"
    write_idx(path, np.zeros((2, 3, 3)))
    if damage == "short":
        path.write_bytes(path.read_bytes()[:-12])
    elif damage == "not gzip":
        path.write_bytes(b"hello")
    else:
        write_idx(tmp_path / "train-labels-idx1-ubyte", np.zeros(3))
    with pytest.raises(SourceFormatError, match="train-images"):
        open_source(path)


def test_equal_pixels_of_other_shape_have_another_digest() -> None:
    pixels = np.arange(12, dtype=np.uint8)
    assert digest_of(pixels.reshape(3, 4)) != digest_of(pixels.reshape(4, 3))


def test_the_sample_becomes_a_class_folder(tmp_path: Path) -> None:
    assert write_sample(tmp_path / "photos", "test") == 500
    listing = open_source(tmp_path / "photos").listing()
    assert len(listing) == 500 and len(listing.class_names) == 10
    assert np.bincount(listing.labels).tolist() == [50] * 10
    with pytest.raises(SourceFormatError, match="not empty"):
        write_sample(tmp_path / "photos", "test")
