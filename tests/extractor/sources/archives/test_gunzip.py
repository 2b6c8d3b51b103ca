"""Compressed tar shards."""

from __future__ import annotations

import gc
import gzip
import tempfile
from pathlib import Path

import pytest
from images_shared import png, touch, write_shard

from featx.cache.errors import SourceFormatError
from featx.extractor.sources import open_source
from featx.extractor.sources.archives import gunzip


def write_packed(path: Path, members: list[tuple[str, bytes]]) -> Path:
    plain = write_shard(path.parent / "plain", members)
    path.write_bytes(gzip.compress(plain.read_bytes()))
    plain.unlink()
    return path


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    return tmp_path / "tmp"


def test_compressed_shards_are_read_like_others(tmp_path: Path, temporary: Path) -> None:
    folder = tmp_path / "shards"
    folder.mkdir()
    write_packed(folder / "train-0.tar.gz", [("a.cls", b"x"), ("a.png", png(1)), ("b.png", png(2))])
    write_packed(folder / "test-0.tgz", [("c.jpg", png(3)), ("c.cls", b"x")])
    write_shard(folder / "val-0.tar", [("d.png", png(4)), ("d.cls", b"y")])
    source = open_source(folder)
    listing = source.listing()
    ids = ["test-0/c", "train-0/a", "train-0/b", "val-0/d"]
    assert list(listing.sample_ids) == ids and listing.labels.tolist() == [0, 0, -1, 1]
    assert listing.splits.tolist() == [2, 0, 0, 1]
    assert [source.read(i) for i in (2, 0, 3, 1)] == [png(2), png(3), png(4), png(1)]
    assert source.stamps()[1, 0] == (folder / "train-0.tar.gz").stat().st_size
    assert "2 shards unpacked to read them" in source.understood
    assert len(list(temporary.iterdir())) == 1
    del source
    gc.collect()
    assert not list(temporary.iterdir())


def test_class_folders_in_a_compressed_tar(tmp_path: Path) -> None:
    members = [("pets/cat/1.png", png(1)), ("pets/dog/2.png", png(2))]
    source = open_source(write_packed(tmp_path / "pets.tar.gz", members))
    assert source.listing().class_names == ("cat", "dog")


def test_other_compressed_tars_are_passed_over(tmp_path: Path) -> None:
    write_packed(tmp_path / "backup.tar.gz", [("data_batch_1", b"x" * 100)])
    for name in ("cat/1.png", "dog/2.png"):
        touch(tmp_path / name)
    assert open_source(tmp_path).left_out == {".gz": 1}
    with pytest.raises(SourceFormatError, match="Unpack it first"):
        open_source(tmp_path / "backup.tar.gz")


def test_a_shard_that_is_cut_is_refused(tmp_path: Path) -> None:
    path = write_packed(tmp_path / "a.tar.gz", [(f"{i}.png", png(i)) for i in range(40)])
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(SourceFormatError, match="cannot be unpacked"):
        open_source(path)


def test_a_full_disk_says_what_to_type(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_packed(tmp_path / "a.tar.gz", [("1.png", png(1))])
    monkeypatch.setattr(gunzip, "SPARE_BYTES", 1 << 60)
    with pytest.raises(SourceFormatError, match=r"TMPDIR, or .*: gunzip SHARD\.tar\.gz"):
        open_source(path)


def test_lmdb_is_refused_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "data.mdb").write_bytes(b"x")
    (tmp_path / "lock.mdb").write_bytes(b"x")
    with pytest.raises(SourceFormatError, match=r"LMDB has no common layout: write \.tar shards"):
        open_source(tmp_path)
