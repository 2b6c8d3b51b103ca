"""Zip archives, read as folders are."""

from __future__ import annotations

import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from images_shared import png

from featx.cache.errors import SourceFormatError
from featx.extractor.sources import open_source


def pack(path: Path, files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


FOLDERS = {"photos/cat/1.png": png(1), "photos/dog/é 2.png": png(2), "__MACOSX/cat/._1.png": b"x"}


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_class_folders_in_a_zip(tmp_path: Path, method: int) -> None:
    source = open_source(pack(tmp_path / "p.zip", FOLDERS, method))
    listing = source.listing()
    assert list(listing.sample_ids) == list(FOLDERS)[:2]
    assert listing.class_names == ("cat", "dog")
    assert [source.read(0), source.read(1)] == [png(1), png(2)]
    assert source.stamps().all()
    assert "looked through photos/" in source.understood
    assert "passed over __MACOSX" in source.understood


def test_a_zip_with_a_table_of_labels_and_names_of_windows(tmp_path: Path) -> None:
    table = b"path,label\n1.png,cat\n2.png,dog\n"
    files = {"d\\1.png": png(1), "d\\2.png": png(2), "d\\labels.csv": table}
    source = open_source(pack(tmp_path / "p.zip", files))
    assert source.listing().class_names == ("cat", "dog")
    assert source.read(1) == png(2)


def test_paths_that_leave_the_archive_count_below_its_root(tmp_path: Path) -> None:
    files = {"../../cat/1.png": png(1), "/dog/1.png": png(2), "./dog/2.png": png(3)}
    source = open_source(pack(tmp_path / "p.zip", files))
    assert list(source.listing().sample_ids) == ["cat/1.png", "dog/1.png", "dog/2.png"]


def test_a_zip_is_read_by_many_threads(tmp_path: Path) -> None:
    files = {f"{n:03d}.png": png(n % 256) for n in range(100)}
    source = open_source(pack(tmp_path / "p.zip", files))
    with ThreadPoolExecutor(8) as executor:
        assert list(executor.map(source.read, range(100))) == list(files.values())


def test_damage_is_an_unreadable_image(tmp_path: Path) -> None:
    path = pack(tmp_path / "p.zip", {"1.png": png(1), "2.png": png(2)}, zipfile.ZIP_STORED)
    content = bytearray(path.read_bytes())
    content[content.index(b"IDAT")] ^= 1
    path.write_bytes(content)
    source = open_source(path)
    with pytest.raises(OSError, match="wrong checksum"):
        source.read(0)
    assert source.read(1) == png(2)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 not a zip", b"hello"])
def test_a_file_that_is_no_zip_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "p.zip").write_bytes(content)
    with pytest.raises(SourceFormatError, match="not a readable zip archive"):
        open_source(tmp_path / "p.zip")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_name_that_occurs_twice_is_refused(tmp_path: Path) -> None:
    path = pack(tmp_path / "p.zip", {"1.png": png(1)})
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("1.png", png(2))
    with pytest.raises(SourceFormatError, match="files of one name"):
        open_source(path)


def test_a_zip_beside_class_folders_is_left_out(tmp_path: Path) -> None:
    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "1.png").write_bytes(png(1))
    pack(tmp_path / "old.zip", FOLDERS)
    source = open_source(tmp_path)
    assert len(source.listing()) == 2 and source.left_out == {".zip": 1}
    assert np.array_equal(source.listing().labels, [0, 1])
