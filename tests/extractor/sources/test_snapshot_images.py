"""The images of a snapshot."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from images_shared import touch

from featx.cache import Manifest
from featx.cache.errors import ImageError, SourceError, SourceNotFoundError
from featx.extractor.sources import digest_of, open_sample, open_source
from featx.extractor.sources.snapshot_images import open_images

NAMES = ("cat/1.png", "cat/2.png", "dog/1.png")


def snapshot(location: Path) -> Manifest:
    source = open_source(location)
    listing = source.listing()
    digests = [np.frombuffer(digest_of(source.read(i)), np.uint8) for i in range(len(listing))]
    return Manifest("m", source.location, listing, np.stack(digests), source.stamps(), 0)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number, name in enumerate(NAMES):
        touch(tmp_path / "photos" / name, number)
    return tmp_path / "photos"


def test_images_are_read_from_where_they_were(folder: Path) -> None:
    manifest = snapshot(folder)
    images = open_images(manifest)
    assert [images.read(i) for i in range(3)] == [(folder / name).read_bytes() for name in NAMES]


def test_images_that_came_went_or_changed_do_not_shift_others(folder: Path) -> None:
    manifest = snapshot(folder)
    touch(folder / "cat" / "0.png", 9)
    touch(folder / "cat" / "2.png", 8)
    (folder / "cat" / "1.png").unlink()
    images = open_images(manifest)
    assert images.read(2) == (folder / "dog" / "1.png").read_bytes()
    with pytest.raises(ImageError, match="changed since"):
        images.read(1)
    with pytest.raises(ImageError, match="no longer in"):
        images.read(0)


def test_images_that_moved_are_found_where_they_are_named(folder: Path, tmp_path: Path) -> None:
    manifest = snapshot(folder)
    shutil.move(folder, tmp_path / "moved")
    with pytest.raises(SourceNotFoundError, match="are not there") as error:
        open_images(manifest)
    assert "Expected" not in str(error.value)
    assert open_images(manifest, tmp_path / "moved").read(0)
    touch(tmp_path / "others" / "x.png", 1)
    with pytest.raises(SourceNotFoundError, match="none of the 3 images"):
        open_images(manifest, tmp_path / "others")
    with pytest.raises(SourceError):
        open_images(manifest, tmp_path / "nowhere")


def test_the_bundled_sample_is_found_again() -> None:
    source = open_sample()
    listing = source.listing()
    digests = np.zeros((len(listing), 32), np.uint8)
    digests[7] = np.frombuffer(digest_of(source.read(7)), np.uint8)
    manifest = Manifest(
        source.name, source.location, listing, digests, np.zeros((len(listing), 3), np.int64), 0
    )
    assert np.array_equal(open_images(manifest).read(7), source.read(7))
