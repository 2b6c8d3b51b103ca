"""Images in NumPy files and in tables of pixels."""

import numpy as np
import pytest

from featx.cache import SPLITS
from featx.cache.errors import SourceFormatError
from featx.extractor.sources import open_source

GREY = np.random.default_rng(0).integers(0, 256, (6, 5, 4), dtype=np.uint8)
RGB = np.random.default_rng(1).integers(0, 256, (6, 5, 4, 3), dtype=np.uint8)
Y = np.array([2, 0, 1, 2, 0, 0])


@pytest.mark.parametrize("images", [GREY, RGB, RGB[..., :1]], ids=["grey", "rgb", "one-channel"])
@pytest.mark.parametrize("keys", [("X", "y"), ("x", "labels"), ("images", "label")])
def test_npz_gives_images_and_labels(tmp_path, keys, images):
    np.savez(tmp_path / "data.npz", **{keys[0]: images, keys[1]: Y})
    source = open_source(tmp_path / "data.npz")
    listing = source.listing()
    assert listing.labels.tolist() == Y.tolist()
    assert listing.class_names == ("0", "1", "2")
    assert list(listing.sample_ids)[:2] == ["image/00000", "image/00001"]
    assert np.array_equal(source.read(4), images[4])
    assert (source.stamps() == source.stamps()[0]).all()


def test_npz_with_splits_as_keras_shares_mnist(tmp_path):
    np.savez(tmp_path / "mnist.npz", x_train=GREY[:4], y_train=Y[:4], x_test=GREY[4:], y_test=Y[4:])
    source = open_source(tmp_path / "mnist.npz")
    listing = source.listing()
    assert [SPLITS[code] for code in listing.splits] == ["train"] * 4 + ["test"] * 2
    assert list(listing.sample_ids)[3:5] == ["train/00003", "test/00000"]
    assert np.array_equal(source.read(5), GREY[5])


def test_npz_with_names(tmp_path):
    np.savez(tmp_path / "a.npz", X=GREY, y=Y.reshape(-1, 1), class_names=["a", "b", "c"])
    assert open_source(tmp_path / "a.npz").listing().class_names == ("a", "b", "c")
    np.savez(tmp_path / "b.npz", X=GREY, y=np.array(["z", "b", "z", "b", "b", "z"]))
    listing = open_source(tmp_path / "b.npz").listing()
    assert (listing.class_names, listing.labels.tolist()) == (("b", "z"), [1, 0, 1, 0, 0, 1])


@pytest.mark.parametrize(("images", "labels"), [("X", "y"), ("train_images", "train_labels")])
def test_npy_finds_its_labels_beside_it(tmp_path, images, labels):
    np.save(tmp_path / f"{images}.npy", RGB)
    np.save(tmp_path / f"{labels}.npy", Y)
    source = open_source(tmp_path / f"{images}.npy")
    assert source.listing().labels.tolist() == Y.tolist()
    assert np.array_equal(source.read(2), RGB[2])


def test_lone_npy_is_taken_for_images(tmp_path):
    np.save(tmp_path / "photos.npy", RGB)
    assert open_source(tmp_path / "photos.npy").listing().labels.tolist() == [-1] * 6


class Payload:
    def __reduce__(self):
        return (pytest.fail, ("unpickled",))


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"X": RGB.astype(np.float32) / 255}, "holds float32 from 0 to 1, expected uint8"),
        ({"X": GREY[0]}, r"has the shape \(5, 4\)"),
        ({"X": RGB[..., :2]}, "1, 3 or 4 channels"),
        ({"X": GREY, "y": Y[:3]}, "6 images but 3 labels"),
        ({"X": GREY, "y": np.eye(6)}, "expected \\(n,\\) whole numbers or names"),
        ({"a": GREY, "b": Y}, "holds a, b. Expected images as X"),
        ({"X": np.array([Payload()], object)}, "not a readable NumPy file"),
        ({"X": np.zeros((2, 3, 8, 9), np.uint8)}, r"channels seem to come first.*X\.transpose"),
        ({"X": np.zeros((2, 1, 8, 9), np.uint8)}, r"channels seem to come first"),
        ({"X": RGB.astype(np.float32) / 127.5 - 1}, r"\(\(X \+ 1\) \* 127\.5\)"),
        ({"X": RGB.astype(np.uint16) * 257}, "holds uint16 from 0 to .*scale it"),
        ({"X": RGB.astype(np.int16) - 9}, "holds int16 from -"),
        ({"X": RGB.astype(np.float64) + 0.5}, "holds float64"),
        ({"X": np.full((2, 4, 4), np.nan)}, "holds float64 from nan"),
        ({"X": RGB > 9}, r"holds bool.*astype\('uint8'\) \* 255"),
        ({"X": RGB.astype(complex)}, "holds complex128"),
        ({"X": GREY[:, 0]}, "rows of pixels"),
        ({"X": GREY, "y": np.eye(6)}, r"one-hot: store y\.argmax\(axis=1\)"),
        ({"X": GREY, "y": Y + 0.5}, "not regression"),
        ({"X": GREY, "y": Y - 5}, "holds the label -5"),
        ({"X": GREY, "y": np.ones((6, 2), int)}, r"expected \(n,\)"),
    ],
)
def test_npz_that_cannot_be_used_says_why(tmp_path, arrays, message):
    np.savez(tmp_path / "x.npz", **arrays)
    with pytest.raises(SourceFormatError, match=message):
        open_source(tmp_path / "x.npz")


@pytest.mark.parametrize("ending", [".npz", ".npy"])
def test_damaged_numpy_file_is_refused(tmp_path, ending):
    (tmp_path / f"x{ending}").write_bytes(b"not an array")
    with pytest.raises(SourceFormatError, match="not a readable NumPy file"):
        open_source(tmp_path / f"x{ending}")


def pixel_csv(path, images, labels, style="pixel{}"):
    n_pixels = images[0].size
    names = [style.format(i + 1) for i in range(n_pixels)]
    lines = [",".join([*(["label"] if labels is not None else []), *names])]
    for place, image in enumerate(images):
        values = [str(v) for v in image.ravel()]
        lines.append(",".join([*([str(labels[place])] if labels is not None else []), *values]))
    path.write_text("\n".join(lines) + "\n")


SQUARES = np.random.default_rng(2).integers(0, 256, (3, 28, 28), dtype=np.uint8)


@pytest.mark.parametrize("style", ["pixel{}", "1x{}", "{}"])
@pytest.mark.parametrize("labels", [[9, 0, 3], None])
def test_csv_of_pixels(tmp_path, labels, style):
    pixel_csv(tmp_path / "fashion.csv", SQUARES, labels, style)
    source = open_source(tmp_path / "fashion.csv")
    assert np.array_equal(np.stack([source.read(i) for i in range(3)]), SQUARES)
    listing = source.listing()
    assert listing.labels.tolist() == (labels or [-1] * 3)
    assert len(listing.class_names) == (10 if labels else 0)


def test_folder_of_pixel_tables_gives_its_splits(tmp_path):
    pixel_csv(tmp_path / "fashion-mnist_train.csv", SQUARES[:2], [1, 0])
    pixel_csv(tmp_path / "fashion-mnist_test.csv", SQUARES[2:], [1])
    listing = open_source(tmp_path).listing()
    assert list(listing.sample_ids) == ["test/00000", "train/00000", "train/00001"]
    assert [SPLITS[code] for code in listing.splits] == ["test", "train", "train"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text.replace("label,", "label,pixel0,"), "not a readable CSV"),
        (lambda text: text.replace("\n9,", "\n9,-"), "pixels from 0 to 255"),
        (lambda text: text.replace("\n9,", "\nboot,"), "expected whole numbers"),
        (lambda text: "\n".join(line.rpartition(",")[0] for line in text.split("\n")), "square"),
    ],
)
def test_csv_of_pixels_that_cannot_be_used_says_why(tmp_path, change, message):
    path = tmp_path / "fashion.csv"
    images = SQUARES.copy()
    images[:, 0, 0] = 7
    pixel_csv(path, images, [9, 0, 3])
    path.write_text(change(path.read_text()))
    with pytest.raises(SourceFormatError, match=message):
        open_source(path)


@pytest.mark.parametrize("dtype", [np.int64, np.uint16, np.int8, np.float32, np.float64])
def test_whole_numbers_of_another_type_are_taken_as_they_are(tmp_path, dtype):
    images = (RGB % 128).astype(dtype)
    np.savez(tmp_path / "x.npz", X=images, y=Y)
    source = open_source(tmp_path / "x.npz")
    assert np.array_equal(source.read(3), images[3]) and source.read(3).dtype == np.uint8
    assert f"{np.dtype(dtype)} taken as uint8" in source.understood


def test_shapes_that_can_be_read_in_two_ways_are_said(tmp_path):
    np.savez(tmp_path / "x.npz", X=np.zeros((5, 3, 32, 3), np.uint8))
    assert "read as height 3, width 32, 3 channels" in open_source(tmp_path / "x.npz").understood
    np.savez(tmp_path / "x.npz", X=np.zeros((32, 32, 3), np.uint8))
    assert "read as 32 grey images" in open_source(tmp_path / "x.npz").understood


def test_labels_in_other_forms(tmp_path):
    for labels in (Y.astype(float), Y.astype(np.uint8), Y.reshape(-1, 1)):
        np.savez(tmp_path / "x.npz", X=GREY, y=labels)
        assert open_source(tmp_path / "x.npz").listing().labels.tolist() == Y.tolist()
    np.savez(tmp_path / "x.npz", X=GREY, y=np.array([b"a ", b"b", b"a", b"b", b"a", b"b"]))
    assert open_source(tmp_path / "x.npz").listing().class_names == ("a", "b")


def test_labels_far_apart_make_no_million_classes(tmp_path):
    np.savez(tmp_path / "x.npz", X=GREY, y=[10_000_000, 3, 3, 3, 7, -1])
    listing = open_source(tmp_path / "x.npz").listing()
    assert listing.class_names == ("3", "7", "10000000")
    assert listing.labels.tolist() == [2, 0, 0, 0, 1, -1]


def test_a_file_names_the_classes_of_arrays(tmp_path):
    np.savez(tmp_path / "x.npz", X=GREY, y=Y)
    (tmp_path / "class_names.txt").write_text("a\nb\nc\nunused\n")
    assert open_source(tmp_path / "x.npz").listing().class_names == ("a", "b", "c", "unused")
    (tmp_path / "class_names.txt").write_text("a\nb\n")
    source = open_source(tmp_path / "x.npz")
    assert source.listing().class_names == ("0", "1", "2")
    assert "class_names.txt is not used: it has 2 names for 3 classes" in source.understood


def test_arrays_that_are_not_used_are_named(tmp_path):
    np.savez(tmp_path / "x.npz", X=GREY, y=Y, masks=GREY)
    assert "arrays not used: masks" in open_source(tmp_path / "x.npz").understood


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16-le"])
@pytest.mark.parametrize("separator", [";", "\t"])
def test_csv_of_pixels_in_other_forms(tmp_path, encoding, separator):
    pixel_csv(tmp_path / "p.csv", SQUARES, [9, 0, 3])
    text = (tmp_path / "p.csv").read_text().replace(",", separator)
    (tmp_path / "p.csv").write_bytes(text.encode(encoding))
    assert np.array_equal(open_source(tmp_path / "p.csv").read(1), SQUARES[1])


def test_npz_as_medmnist_writes_it(tmp_path):
    arrays = {}
    for split, n in (("train", 3), ("val", 1), ("test", 2)):
        arrays[f"{split}_images"] = RGB[:n]
        arrays[f"{split}_labels"] = Y[:n].reshape(-1, 1).astype(np.uint8)
    np.savez_compressed(tmp_path / "bloodmnist.npz", **arrays)
    source = open_source(tmp_path / "bloodmnist.npz")
    listing = source.listing()
    assert [SPLITS[code] for code in listing.splits] == ["train"] * 3 + ["val"] + ["test"] * 2
    assert listing.labels.tolist() == [2, 0, 1, 2, 2, 0]
    assert list(listing.sample_ids)[3] == "val/00000" and np.array_equal(source.read(5), RGB[1])
