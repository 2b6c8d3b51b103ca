"""WebDataset tar shards."""

import io
import json
import tarfile

import numpy as np
import pytest
from images_shared import png, write_shard

from featx.cache import SPLITS
from featx.cache.errors import SourceFormatError
from featx.extractor.sources import open_source


def test_shards_give_samples_in_order_with_labels(tmp_path):
    write_shard(tmp_path / "00001.tar", [("c.cls", b"10\n"), ("c.png", png(3))])
    write_shard(
        tmp_path / "00000.tar",
        [
            ("b.png", png(1)),
            ("b.cls", b"2"),
            ("a.PNG", png(2)),
            ("a.json", json.dumps({"label": 2, "caption": "a dog"}).encode()),
            ("a.txt", b"a dog"),
        ],
    )
    source = open_source(tmp_path)
    listing = source.listing()
    assert list(listing.sample_ids) == ["00000/b", "00000/a", "00001/c"]
    assert listing.class_names == ("2", "10")
    assert listing.labels.tolist() == [0, 0, 1]
    assert [source.read(i) for i in range(3)] == [png(1), png(2), png(3)]
    assert source.stamps()[2, 0] == (tmp_path / "00001.tar").stat().st_size


def test_shards_as_img2dataset_writes_them(tmp_path):
    members = []
    for i in range(3):
        facts = {"caption": f"photo {i}", "url": "x", "key": f"{i:09d}", "status": "success"}
        if i == 1:
            facts["status"] = "failed_to_download"
        else:
            members.append((f"{i:09d}.jpg", png(i)))
        members += [(f"{i:09d}.json", json.dumps(facts).encode()), (f"{i:09d}.txt", b"photo")]
    source = open_source(write_shard(tmp_path / "00000.tar", members))
    listing = source.listing()
    assert list(listing.sample_ids) == ["00000/000000000", "00000/000000002"]
    assert listing.labels.tolist() == [-1, -1]
    assert source.left_out == {".json": 1, ".txt": 1}


def test_equal_keys_in_other_shards_and_folders_keep_their_identity(tmp_path):
    for shard in ("train-0.tar", "test-0.tar"):
        write_shard(tmp_path / shard, [("a/1.png", png(1)), ("b/1.png", png(2)), ("é 1.png", b"")])
    listing = open_source(tmp_path).listing()
    assert list(listing.sample_ids)[:3] == ["test-0/a/1", "test-0/b/1", "test-0/é 1"]
    assert [SPLITS[code] for code in listing.splits] == ["test"] * 3 + ["train"] * 3


def test_names_in_a_shard_that_are_no_utf8_survive(tmp_path):
    with tarfile.open(tmp_path / "x.tar", "w", format=tarfile.GNU_FORMAT) as tar:
        member = tarfile.TarInfo("caf\udce9.png")
        member.size = len(png(1))
        tar.addfile(member, io.BytesIO(png(1)))
    ids = open_source(tmp_path / "x.tar").listing().sample_ids
    assert ids[0].encode("utf-8", "surrogateescape") == b"x/caf\xe9"


def test_reading_single_images_needs_no_order(tmp_path):
    values = list(range(20))
    write_shard(tmp_path / "s.tar", [(f"{v:03d}.png", png(v)) for v in values])
    source = open_source(tmp_path / "s.tar")
    for index in np.random.default_rng(0).permutation(20):
        assert source.read(index) == png(values[index])


@pytest.mark.parametrize("damage", ["cut", "gzip", "empty", "no image"])
def test_damaged_shard_is_refused(tmp_path, damage):
    path = write_shard(tmp_path / "s.tar", [(f"{v}.png", png(v) * 20) for v in range(5)])
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:2000])
    elif damage == "gzip":
        path.write_bytes(b"\x1f\x8b" + bytes(100))
    elif damage == "empty":
        path.write_bytes(b"")
    else:
        write_shard(path, [("a.txt", b"x")])
    with pytest.raises(SourceFormatError, match=r"s\.tar"):
        open_source(path)
