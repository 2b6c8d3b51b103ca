"""IDX pairs."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest

from featx.cache import SPLITS
from featx.cache.errors import SourceFormatError
from featx.extractor.sources import open_source


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
