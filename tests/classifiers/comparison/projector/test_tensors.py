"""Tensors for the projector."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from selection_shared import make_features

from featx.classifiers.comparison.projector.tensors import write_tensors

ROWS = np.array([2, 0], np.int64)


@pytest.mark.parametrize(
    "X",
    [
        np.zeros((3, 4)),
        np.full((3, 4), 2.0),
        np.array([[0, 1e-30, 0, 0.1], [0, 0, 0, 0], [1 / 3, 2.5, 0, 7e20]]) * (1 / 3),
    ],
    ids=["zeros", "twos", "short"],
)
def test_what_is_valid_utf8_is_written_as_exact_text(tmp_path: Path, X: np.ndarray) -> None:
    X = np.asarray(X, np.float32)
    features = make_features(tmp_path, [0, 1, 0], X=X)
    path = tmp_path / "tensors.bytes"
    write_tensors(path, features.X, ROWS)
    data = path.read_bytes()
    if data == X[ROWS].tobytes():
        with pytest.raises(UnicodeDecodeError):
            data.split(b"\n")[0].decode()
        return
    rows = [[float(cell) for cell in line.split("\t")] for line in data.decode().splitlines()]
    assert np.array_equal(np.array(rows, np.float32), X[ROWS])


def test_negative_features_are_raw(tmp_path: Path) -> None:
    features = make_features(tmp_path, [0, 1, 0])
    write_tensors(tmp_path / "t", features.X, ROWS)
    assert (tmp_path / "t").read_bytes() == np.asarray(features.X[ROWS]).tobytes()
