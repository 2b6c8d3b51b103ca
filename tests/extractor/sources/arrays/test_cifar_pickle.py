"""CIFAR's pickled batches: read, and nothing in them run."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import numpy as np
import pytest

from featx.cache import SPLITS
from featx.cache.errors import SourceFormatError
from featx.extractor import SourceOptions, open_source

ROWS = np.random.default_rng(0).integers(0, 256, (4, 3072), np.uint8)


def write(path, content, protocol=2):
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(pickle.dumps(content, protocol))


def as_image(row):
    return row.reshape(3, 32, 32).transpose(1, 2, 0)


@pytest.mark.parametrize("protocol", [2, 4])
def test_cifar_10(tmp_path, protocol):
    folder = tmp_path / "cifar-10-batches-py"
    for number, name in enumerate(("data_batch_1", "test_batch")):
        part = ROWS[2 * number : 2 * number + 2]
        batch = {b"data": part, b"labels": [number, 1], b"filenames": [b"a.png", b"b.png"]}
        write(folder / name, batch, protocol)
    write(folder / "batches.meta", {b"label_names": [b"airplane", b"automobile"]}, protocol)
    (folder / "readme.html").write_text("<html>")
    source = open_source(tmp_path)
    listing = source.listing()
    assert all(np.array_equal(source.read(i), as_image(ROWS[i])) for i in range(4))
    assert listing.class_names == ("airplane", "automobile")
    assert listing.labels.tolist() == [0, 1, 1, 1]
    assert [SPLITS[code] for code in listing.splits] == ["train", "train", "test", "test"]
    assert "passed over" not in source.understood


def test_cifar_100(tmp_path):
    folder = tmp_path / "cifar-100-python"
    for name, part in {"train": ROWS[:3], "test": ROWS[3:]}.items():
        n = len(part)
        write(folder / name, {"data": part, "fine_labels": [2] * n, "coarse_labels": [1] * n})
    write(folder / "meta", {"fine_label_names": list("abc"), "coarse_label_names": list("xy")})
    listing = open_source(folder).listing()
    assert listing.class_names == tuple("abc") and listing.labels.tolist() == [2] * 4
    coarse = open_source(folder, SourceOptions(label_column="coarse")).listing()
    assert coarse.class_names == ("x", "y") and coarse.labels.tolist() == [1] * 4


class Payload:
    def __reduce__(self):
        return os.mkdir, ("run",)


@pytest.mark.parametrize("where", ["data", "labels", "other"])
def test_no_code_of_a_file_runs(tmp_path, monkeypatch, where):
    monkeypatch.chdir(tmp_path)
    batch = {"data": ROWS, "labels": [0] * 4, "other": 1}
    write(Path("x") / "data_batch_1", {**batch, where: Payload()})
    write(Path("x") / "batches.meta", {"label_names": ["a"]})
    with pytest.raises(SourceFormatError, match=r"it calls posix\.mkdir, which no batch of CIFAR"):
        open_source("x")
    assert not Path("run").exists()


@pytest.mark.parametrize(
    "batch",
    [
        {"data": ROWS[:, :99], "labels": [0] * 4},
        {"data": ROWS.astype(np.float32), "labels": [0] * 4},
        {"data": "text", "labels": [0] * 4},
        {"data": ROWS, "labels": "text"},
        {"data": ROWS, "labels": [0] * 3},
        {"data": ROWS},
        [1, 2],
    ],
)
def test_what_is_no_batch_is_refused(tmp_path, batch):
    write(tmp_path / "x" / "data_batch_1", batch)
    write(tmp_path / "x" / "batches.meta", {"label_names": ["a"]})
    with pytest.raises(SourceFormatError):
        open_source(tmp_path / "x")
