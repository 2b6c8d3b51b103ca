"""The bundled Fashion-MNIST sample: counts, balance, format."""

import gzip
from pathlib import Path

import numpy as np
import pytest

from featx import extractor

SAMPLE = Path(extractor.__file__).parent / "data" / "fashion_sample"
PARTS = [("train", 200), ("t10k", 50)]


def read_idx(name):
    raw = gzip.decompress((SAMPLE / name).read_bytes())
    assert raw[:3] == b"\x00\x00\x08"
    shape = np.frombuffer(raw, ">u4", count=raw[3], offset=4)
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * raw[3]).reshape(shape)


@pytest.mark.parametrize(("part", "per_class"), PARTS)
def test_sample_is_balanced(part, per_class):
    y = read_idx(f"{part}-labels-idx1-ubyte.gz")
    assert np.bincount(y, minlength=10).tolist() == [per_class] * 10


@pytest.mark.parametrize(("part", "per_class"), PARTS)
def test_sample_images_are_28x28_and_distinct(part, per_class):
    X = read_idx(f"{part}-images-idx3-ubyte.gz")
    assert X.shape == (10 * per_class, 28, 28)
    assert len({image.tobytes() for image in X}) == len(X)
    assert X.min() == 0
    assert X.max() == 255


def test_sample_rows_are_not_sorted_by_class():
    y = read_idx("train-labels-idx1-ubyte.gz")
    assert len(set(y[:100].tolist())) == 10


def test_sample_images_belong_to_their_labels():
    X, y = (read_idx(f"train-{name}") for name in ("images-idx3-ubyte.gz", "labels-idx1-ubyte.gz"))
    test_X, test_y = (
        read_idx(f"t10k-{name}") for name in ("images-idx3-ubyte.gz", "labels-idx1-ubyte.gz")
    )
    centroids = np.stack([X[y == c].mean(0).ravel() for c in range(10)])
    distances = np.linalg.norm(test_X.reshape(-1, 1, 784) - centroids, axis=2)
    # A nearest centroid finds about two thirds of Fashion-MNIST; shuffled labels a tenth.
    assert (distances.argmin(1) == test_y).mean() > 0.55


@pytest.mark.parametrize(
    "name", [f"{p}-{k}-ubyte.gz" for p, _ in PARTS for k in ("images-idx3", "labels-idx1")]
)
def test_sample_gzip_header_holds_no_time(name):
    header = (SAMPLE / name).read_bytes()[:10]
    assert header[4:8] == bytes(4)


def test_class_names_are_ten():
    names = (SAMPLE / "class_names.txt").read_text().splitlines()
    assert len(names) == len(set(names)) == 10
    assert (names[0], names[9]) == ("T-shirt/top", "Ankle boot")


def test_licence_is_zalandos_mit():
    text = (SAMPLE / "LICENSE").read_text()
    assert "MIT" in text
    assert "Zalando SE" in text
