"""Tar archives as they come from tools and other machines."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Sequence
from pathlib import Path

import pytest
from images_shared import png, write_shard

from featx.cache.errors import SourceFormatError
from featx.extractor.sources import Source, open_source


def labelled(source: Source) -> dict[str, str]:
    listing = source.listing()
    names = [listing.class_names[code] if code >= 0 else "" for code in listing.labels]
    return dict(zip(listing.sample_ids, names, strict=True))


def shard(folder: Path, *names: str) -> Path:
    """Write a tar of images, and of labels for names such as ``x.cls=cat``."""
    members = []
    for number, name in enumerate(names):
        path, _, label = name.partition("=")
        members.append((path, label.encode() if label else png(number)))
    return write_shard(folder / "s.tar", members)


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (("x.left.png", "x.cls=a", "y.left.png", "y.cls=b"), {"s/x": "a", "s/y": "b"}),
        (("x.left.png", "x.right.png", "x.cls=a"), {"s/x.left": "a", "s/x.right": "a"}),
        (("v1.2_photo.jpg", "v1.2_photo.cls=a"), {"s/v1": "a"}),
        (("p.001.png", "p.002.png", "p.001.cls=a"), {"s/p.001": "a", "s/p.002": ""}),
        (("x.png", "x.jpg"), {"s/x.png": "", "s/x.jpg": ""}),
        (("x.jpg", "x.mask.png", "x.cls=a"), {"s/x": "a"}),
        (("x.JPG", "x.CLS=a"), {"s/x": "a"}),
        (("./x.png", "./x.cls=a"), {"s/x": "a"}),
        (("/data/x.png", "/data/x.cls=a"), {"s/data/x": "a"}),
        (("x.png", "y.png", "x.cls=a", "y.cls=b"), {"s/x": "a", "s/y": "b"}),
        (("._x.png", "x.png", "__MACOSX/x.png", ".hidden/x.png", "x.cls= a "), {"s/x": "a"}),
        (("a/x.png", "b/x.png", "b/y.png"), {"s/a/x": "a", "s/b/x": "b", "s/b/y": "b"}),
        (("photos/a/x.png", "photos/b/x.png"), {"s/photos/a/x": "a", "s/photos/b/x": "b"}),
    ],
)
def test_names_in_a_tar(tmp_path: Path, names: Sequence[str], expected: dict[str, str]) -> None:
    source = open_source(shard(tmp_path, *names))
    assert labelled(source) == expected
    for index in range(len(expected)):
        assert source.read(index).startswith(b"\x89PNG")


def test_masks_beside_an_image_are_said(tmp_path: Path) -> None:
    source = open_source(shard(tmp_path, "x.jpg", "x.mask.png", "y.jpg", "y.mask.png"))
    assert source.left_out == {".mask.png": 2}
    assert "left out: 2 .mask.png" in source.understood


@pytest.mark.parametrize("names", [("a.png", "a.cls=x") * 9, ("a.png", "b.png", "./a.png")])
def test_a_name_that_occurs_twice_is_refused(tmp_path: Path, names: Sequence[str]) -> None:
    with pytest.raises(SourceFormatError, match=r"files of one name: a\.png \d times"):
        open_source(shard(tmp_path, *names))


def test_links_are_their_targets(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "s.tar", "w") as tar:
        member = tarfile.TarInfo("cat/1.png")
        member.size = len(png(1))
        tar.addfile(member, io.BytesIO(png(1)))
        links = [
            ("cat/2.png", tarfile.LNKTYPE, "cat/1.png"),
            ("dog/3.png", tarfile.SYMTYPE, "../cat/1.png"),
            ("dog/4.png", tarfile.SYMTYPE, "3.png"),
            ("dog/5.png", tarfile.SYMTYPE, "/gone.png"),
            ("dog/6.png", tarfile.SYMTYPE, "6.png"),
        ]
        for name, kind, target in links:
            link = tarfile.TarInfo(name)
            link.type, link.linkname = kind, target
            tar.addfile(link)
    source = open_source(tmp_path / "s.tar")
    assert len(source.listing()) == 6
    assert [source.read(index) for index in range(4)] == [png(1)] * 4
    for index in (4, 5):
        with pytest.raises(OSError, match="link to a file outside it"):
            source.read(index)


@pytest.mark.parametrize("end", [600, 1500, 2600])
def test_a_truncated_tar_is_refused(tmp_path: Path, end: int) -> None:
    path = write_shard(tmp_path / "s.tar", [(f"{n}.png", b"x" * 1000) for n in range(5)])
    path.write_bytes(path.read_bytes()[:end])
    with pytest.raises(SourceFormatError, match=r"s\.tar"):
        open_source(path)


@pytest.mark.parametrize("damage", ["header", "joined"])
def test_an_archive_that_goes_on_after_its_end_is_refused(tmp_path: Path, damage: str) -> None:
    path = write_shard(tmp_path / "s.tar", [(f"{n}.png", png(n)) for n in range(5)])
    content = bytearray(path.read_bytes())
    if damage == "header":
        content[2048:2100] = b"\xff" * 52
    path.write_bytes(content if damage == "header" else content * 2)
    with pytest.raises(SourceFormatError, match="damaged, or several archives in one"):
        open_source(path)


@pytest.mark.parametrize("name", ["s.tar.gz", "s.tgz", "s.tar.bz2", "s.tar.xz", "s.7z", "s.rar"])
def test_compressed_archives_are_refused_with_advice(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"\x1f\x8b")
    with pytest.raises(SourceFormatError, match="Unpack it first"):
        open_source(tmp_path / name)


def test_a_compressed_archive_called_tar_is_refused(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "s.tar", "w:gz") as tar:
        tar.addfile(tarfile.TarInfo("x.png"))
    with pytest.raises(SourceFormatError, match="unpack a compressed one"):
        open_source(tmp_path / "s.tar")


def test_shards_in_folders_of_splits(tmp_path: Path) -> None:
    for split in ("train", "val"):
        (tmp_path / split).mkdir()
        write_shard(tmp_path / split / "0.tar", [("x.png", png(1))])
    listing = open_source(tmp_path).listing()
    assert list(listing.sample_ids) == ["train/0/x", "val/0/x"]
    assert listing.splits.tolist() == [0, 1]
