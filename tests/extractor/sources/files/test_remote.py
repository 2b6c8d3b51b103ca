"""Any source behind an fsspec URL; `memory://` stands for the others."""

import io
import sys
import uuid

import fsspec
import numpy as np
import pytest
from images_shared import png, write_shard
from PIL import Image

from featx.cache import FeatureStore
from featx.cache.errors import SourceFormatError, SourceNotFoundError
from featx.extractor import FeatureOptions, extract_features
from featx.extractor.sources import open_source

LIGHT = FeatureOptions(backbone="mobilenet", weights="random:0", image_size=32)


@pytest.fixture
def bucket():
    root = f"memory://{uuid.uuid4().hex}"
    yield root
    fsspec.filesystem("memory").rm(root.removeprefix("memory:/"), recursive=True)


def put(url, content):
    with fsspec.open(url, "wb") as file:
        file.write(content)


def fill(bucket):
    for number, name in enumerate(["train/cat/1.png", "train/dog/1.png", "test/dog/é 1.png"]):
        put(f"{bucket}/{name}", png(number))


def test_class_folders_behind_a_url(bucket):
    fill(bucket)
    put(f"{bucket}/.hidden/x.png", b"x")
    put(f"{bucket}/notes.txt", b"x")
    source = open_source(bucket)
    listing = source.listing()
    assert list(listing.sample_ids) == ["test/dog/é 1.png", "train/cat/1.png", "train/dog/1.png"]
    assert listing.class_names == ("cat", "dog")
    assert listing.splits.tolist() == [2, 0, 0]
    assert source.left_out == {".txt": 1}
    assert source.read(1) == png(0)


def test_table_behind_a_url(bucket):
    fill(bucket)
    put(f"{bucket}/t.csv", b"path,label\ntrain/dog/1.png,x\n")
    source = open_source(f"{bucket}/t.csv")
    assert source.read(0) == png(1)
    assert source.listing().class_names == ("x",)


def test_arrays_behind_a_url(bucket):
    images = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    buffer = io.BytesIO()
    np.savez(buffer, X=images, y=[1, 0])
    put(f"{bucket}/a.npz", buffer.getvalue())
    assert np.array_equal(open_source(f"{bucket}/a.npz").read(1), images[1])


def test_shards_behind_a_url_are_read_by_ranges(bucket, tmp_path, monkeypatch):
    shard = write_shard(tmp_path / "s.tar", [(f"{v}.png", png(v)) for v in range(5)])
    put(f"{bucket}/shards/s.tar", shard.read_bytes())
    source = open_source(f"{bucket}/shards")
    fetched = []
    kind = type(fsspec.filesystem("memory"))
    whole = kind.cat_file

    def counting(self, path, start=None, end=None, **more):
        fetched.append((start, end))
        return whole(self, path, start=start, end=end, **more)

    monkeypatch.setattr(kind, "cat_file", counting)
    assert source.read(3) == png(3)
    assert fetched[0][1] - fetched[0][0] == len(png(3))


def test_second_extraction_of_a_url_reads_no_image(bucket, tmp_path, monkeypatch):
    fill(bucket)
    first = extract_features(bucket, LIGHT, cache=tmp_path)
    # A file younger than two seconds may change again within its clock's tick.
    age(bucket, seconds=60)
    again = extract_features(bucket, LIGHT, cache=tmp_path)
    assert (first.record.n_extracted, again.record.n_extracted) == (3, 0)
    monkeypatch.setattr("featx.extractor.sources.files.remote.RemoteFiles.read", refuse)
    third = extract_features(bucket, LIGHT, cache=tmp_path)
    assert third.record.n_cached == 3
    assert FeatureStore(tmp_path).open_features(third.name).X[:].shape == (3, 1024)


def age(bucket, seconds):
    from datetime import timedelta

    files = fsspec.filesystem("memory")
    for path in files.find(bucket.removeprefix("memory:/")):
        entry = files.store[path]
        entry.created -= timedelta(seconds=seconds)
        entry.modified -= timedelta(seconds=seconds)


def refuse(*_):
    raise OSError("must not be read")


def test_etag_alone_is_a_stamp(bucket, monkeypatch):
    fill(bucket)
    source = open_source(bucket)
    kind = type(fsspec.filesystem("memory"))
    plain = kind.find

    def tagged(self, path, **more):
        found = plain(self, path, **more)
        for name, info in found.items():
            info.pop("created", None)
            info["ETag"] = f'"{name}"'
        return found

    monkeypatch.setattr(kind, "find", tagged)
    stamps = open_source(bucket).stamps()
    assert len(np.unique(stamps[:, 2])) == 3 and (stamps[:, 1] == 0).all()
    assert (stamps[:, 2] < 1 << 48).all()
    assert (source.stamps()[:, 1] > 0).all()


@pytest.mark.parametrize(
    ("place", "error", "message"),
    [
        ("memory://nowhere-at-all", SourceNotFoundError, "nowhere-at-all does not exist"),
        ("nosuch://bucket/x", SourceFormatError, "no file system answers to nosuch://"),
    ],
)
def test_urls_that_lead_nowhere(place, error, message):
    with pytest.raises(error, match=message):
        open_source(place)


@pytest.mark.parametrize("extra", ["s3", "hf"])
def test_missing_package_is_named_with_its_extra(monkeypatch, extra):
    monkeypatch.setitem(sys.modules, "fsspec", None)
    with pytest.raises(SourceFormatError, match=rf"pip install 'featx\[{extra}\]'"):
        open_source(f"{extra}://datasets/owner/photos")


def test_image_that_cannot_be_fetched_is_an_unreadable_image(bucket, tmp_path):
    fill(bucket)
    source = open_source(bucket)
    fsspec.filesystem("memory").rm(f"{bucket.removeprefix('memory:/')}/train/cat/1.png")
    report = extract_features(source, LIGHT, cache=tmp_path)
    assert [bad.sample_id for bad in report.bad] == ["train/cat/1.png"]
    assert Image.open(io.BytesIO(source.read(0))).size == (4, 4)


def test_folders_of_tools_behind_a_url(bucket):
    fill(bucket)
    put(f"{bucket}/@eaDir/1.png", png(1))
    source = open_source(bucket)
    assert len(source.listing()) == 3 and "passed over @eaDir" in source.understood


def test_tables_and_lists_behind_a_url_find_their_files(bucket):
    fill(bucket)
    put(f"{bucket}/t.csv", b"id;breed\n1;x\n")
    with pytest.raises(SourceFormatError, match="fits several files"):
        open_source(f"{bucket}/t.csv")
    put(f"{bucket}/t.csv", "id;breed\né 1;x\n".encode())
    assert open_source(f"{bucket}/t.csv").read(0) == png(2)
    put(f"{bucket}/t.csv", b"path\nnowhere/1.png\n")
    with pytest.raises(SourceFormatError, match="0 of 1 file found"):
        open_source(f"{bucket}/t.csv")
    put(f"{bucket}/list.txt", b"train/dog/1.png\n")
    assert open_source(f"{bucket}/list.txt").read(0) == png(1)


def test_a_zip_behind_a_url(bucket, tmp_path):
    import zipfile

    with zipfile.ZipFile(tmp_path / "p.zip", "w") as archive:
        archive.writestr("cat/1.png", png(1))
        archive.writestr("dog/1.png", png(2))
    put(f"{bucket}/p.zip", (tmp_path / "p.zip").read_bytes())
    source = open_source(f"{bucket}/p.zip")
    assert source.listing().class_names == ("cat", "dog") and source.read(1) == png(2)


def test_one_image_behind_a_url(bucket):
    fill(bucket)
    assert open_source(f"{bucket}/train/cat/1.png").read(0) == png(0)
