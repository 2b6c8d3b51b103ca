"""CIFAR's and STL-10's binary files, tiny, as the data sets' pages describe them."""

from __future__ import annotations

import numpy as np
import pytest

from featx.cache import SPLITS
from featx.cache.errors import SourceFormatError
from featx.extractor import SourceOptions, open_source

RNG = np.random.default_rng(0)


def cifar_records(images, *labels):
    rows = images.transpose(0, 3, 1, 2).reshape(len(images), -1)
    return np.concatenate([*(np.array([y], np.uint8).T for y in labels), rows], 1).tobytes()


def pictures(n, side):
    return RNG.integers(0, 256, (n, side, side, 3), np.uint8)


def splits_of(source):
    return [SPLITS[code] if code >= 0 else "" for code in source.listing().splits]


@pytest.fixture
def cifar_10(tmp_path):
    folder = tmp_path / "cifar-10-batches-bin"
    folder.mkdir()
    images = pictures(6, 32)
    for number, name in enumerate(("data_batch_1", "data_batch_2", "test_batch")):
        part = slice(2 * number, 2 * number + 2)
        content = cifar_records(images[part], [number, 9])
        (folder / f"{name}.bin").write_bytes(content)
    (folder / "batches.meta.txt").write_text("".join(f"name{i}\n" for i in range(10)) + "\n")
    (folder / "readme.html").write_text("<html>")
    return tmp_path, images


def test_cifar_10(cifar_10):
    root, images = cifar_10
    for place in (root, root / "cifar-10-batches-bin"):
        source = open_source(place)
        listing = source.listing()
        assert all(np.array_equal(source.read(i), images[i]) for i in range(6))
        assert list(listing.sample_ids)[2:5] == [
            "data_batch_2/00000",
            "data_batch_2/00001",
            "test_batch/00000",
        ]
        assert splits_of(source) == ["train"] * 4 + ["test"] * 2
        assert [listing.class_names[y] for y in listing.labels] == [
            *("name0", "name9", "name1", "name9", "name2", "name9"),
        ]
    one = open_source(root / "cifar-10-batches-bin" / "test_batch.bin")
    assert len(one.listing()) == 2 and len(one.listing().class_names) == 10


def test_cifar_100_has_fine_and_coarse_labels(tmp_path):
    images = pictures(3, 32)
    (tmp_path / "train.bin").write_bytes(cifar_records(images[:2], [1, 0], [4, 2]))
    (tmp_path / "test.bin").write_bytes(cifar_records(images[2:], [1], [0]))
    (tmp_path / "fine_label_names.txt").write_text("\n".join(f"fine{i}" for i in range(5)))
    (tmp_path / "coarse_label_names.txt").write_text("animal\nplant\n")
    source = open_source(tmp_path)
    assert np.array_equal(source.read(2), images[2])
    assert splits_of(source) == ["train", "train", "test"]
    assert source.listing().labels.tolist() == [4, 2, 0]
    assert (
        source.listing().class_names[4] == "fine4" and "--label-column coarse" in source.understood
    )
    coarse = open_source(tmp_path, SourceOptions(label_column="coarse")).listing()
    assert coarse.labels.tolist() == [1, 0, 1] and coarse.class_names == ("animal", "plant")
    none = open_source(tmp_path, SourceOptions(label_column="none")).listing()
    assert none.labels.tolist() == [-1] * 3
    with pytest.raises(SourceFormatError, match="Expected --label-column fine, coarse or none"):
        open_source(tmp_path, SourceOptions(label_column="corse"))


def test_stl_10_stands_column_by_column(tmp_path):
    folder = tmp_path / "stl10_binary"
    folder.mkdir()
    images = pictures(4, 96)
    for name, part in {"train": [0, 1], "test": [2], "unlabeled": [3]}.items():
        content = images[part].transpose(0, 3, 2, 1).tobytes()
        (folder / f"{name}_X.bin").write_bytes(content)
    (folder / "train_y.bin").write_bytes(bytes([1, 10]))
    (folder / "test_y.bin").write_bytes(bytes([2]))
    names = ["airplane", "bird", "car", "cat", "deer", "dog", "horse", "monkey", "ship", "truck"]
    (folder / "class_names.txt").write_text("\n".join(names))
    (folder / "fold_indices.txt").write_text("0 1\n")
    source = open_source(tmp_path)
    listing = source.listing()
    read = dict(zip(listing.sample_ids, map(source.read, range(4)), strict=True))
    assert np.array_equal(read["train/00001"], images[1])
    assert np.array_equal(read["unlabeled/00000"], images[3])
    assert listing.class_names == tuple(names) and listing.labels.tolist() == [0, 9, 1, -1]
    assert splits_of(source) == ["train", "train", "test", ""]


def test_files_that_are_cut_or_lack_images_are_refused(cifar_10):
    root, _ = cifar_10
    batch = root / "cifar-10-batches-bin" / "data_batch_1.bin"
    batch.write_bytes(batch.read_bytes()[:-1])
    with pytest.raises(SourceFormatError, match=r"6,145 bytes, .* cut short"):
        open_source(root)
    batch.write_bytes(b"")
    with pytest.raises(SourceFormatError, match="cannot be read"):
        open_source(batch)
    (root / "y").mkdir()
    (root / "y" / "train_y.bin").write_bytes(bytes([1]))
    with pytest.raises(SourceFormatError, match="labels and no images"):
        open_source(root / "y")


def test_another_train_bin_is_no_source(tmp_path):
    (tmp_path / "train.bin").write_bytes(b"weights")
    (tmp_path / "README.md").write_text("x")
    with pytest.raises(SourceFormatError, match="a file that featx cannot read"):
        open_source(tmp_path / "train.bin")
    with pytest.raises(SourceFormatError, match=r"found 1 \.bin"):
        open_source(tmp_path)
