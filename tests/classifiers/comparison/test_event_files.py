"""Event files of training curves, as TensorBoard reads them."""

from __future__ import annotations

from pathlib import Path

import pytest

from featx.cache.errors import CacheWriteError, ConfigError
from featx.classifiers.comparison.event_files import write_training_curves

HISTORY = {"loss": [1.0, 0.5], "accuracy": [0.5, 0.75], "val_loss": [1.1], "val_accuracy": [0.25]}


def read_scalars(path: Path) -> dict[str, list[tuple[int, float]]]:
    import tensorflow as tf

    scalars: dict[str, list[tuple[int, float]]] = {}
    for event in tf.compat.v1.train.summary_iterator(str(path)):
        for value in event.summary.value:
            scalars.setdefault(value.tag, []).append((event.step, value.simple_value))
    return scalars


def test_curves_come_back(tmp_path: Path) -> None:
    train, validation = write_training_curves(tmp_path, {"dense lr=0.1": HISTORY})
    assert train.parent == tmp_path / "dense_lr=0.1" / "train"
    assert read_scalars(train) == {
        "epoch_loss": [(0, 1.0), (1, 0.5)],
        "epoch_accuracy": [(0, 0.5), (1, 0.75)],
    }
    assert read_scalars(validation) == {
        "epoch_loss": [(0, pytest.approx(1.1))],
        "epoch_accuracy": [(0, 0.25)],
    }


def test_tensorboard_reads_them(tmp_path: Path) -> None:
    loader = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator", exc_type=ImportError
    )
    (train, _) = write_training_curves(tmp_path, {"cnn3": HISTORY})
    accumulator = loader.EventAccumulator(str(train.parent)).Reload()
    assert [e.value for e in accumulator.Scalars("epoch_loss")] == [1.0, 0.5]


def test_a_second_call_replaces_the_first(tmp_path: Path) -> None:
    write_training_curves(tmp_path, {"cnn3": HISTORY})
    files = write_training_curves(tmp_path, {"cnn3": {"loss": [3.0], "val_loss": [4.0]}})
    assert sorted(tmp_path.rglob("events*")) == sorted(files)


def test_what_cannot_be_written_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="only dense is trained in epochs"):
        write_training_curves(tmp_path, {"ridge": {}})
    (tmp_path / "cnn3").write_text("a file")
    with pytest.raises(CacheWriteError, match="cannot write"):
        write_training_curves(tmp_path, {"cnn3": HISTORY})
