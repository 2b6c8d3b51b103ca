"""Training of baselines: curves, phases, and going on after a kill."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from featx.classifiers.baselines.batches import PixelRows, as_images, epoch_batches
from featx.classifiers.baselines.checkpoint import Checkpoint, read_checkpoint, write_checkpoint
from featx.classifiers.baselines.graph import get_weights
from featx.classifiers.baselines.networks import find_network
from featx.classifiers.baselines.training import (
    Labelled,
    Trainer,
    TrainingOptions,
    train_network,
)
from featx.extractor.run_options import LogObserver

OPTIONS = TrainingOptions(epochs=2, augment_epochs=2, batch_size=16)


def labelled(n: int, n_classes: int, seed: int, side: int = 10) -> Labelled:
    """Noisy grey squares whose class is their brightness."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, n_classes, n)
    grey = rng.normal(60 + 120 * y[:, None], 30, (n, side**2)).clip(0, 255).round()
    rows = np.repeat(grey, 3, axis=1).astype(np.uint8)
    return Labelled(PixelRows(rows, (side, side, 1)), y)


class Interrupting(LogObserver):
    """Hears of epochs, and presses Ctrl-C after one of them."""

    def __init__(self, last: int = 0) -> None:
        self.last, self.lines = last, []

    def say(self, text: str) -> None:
        self.lines.append(text)
        if self.last and text.startswith(f"epoch {self.last}/"):
            raise KeyboardInterrupt


def trainer(n_classes: int) -> Trainer:
    return Trainer(find_network("cnn1"), OPTIONS, labelled(60, n_classes, 0), n_classes)


@pytest.mark.parametrize("n_classes", [pytest.param(2, marks=pytest.mark.long), 3])
def test_interrupted_training_ends_with_the_bits_of_an_undisturbed_one(
    tmp_path: Path, n_classes: int
) -> None:
    val = labelled(20, n_classes, 1)
    whole = trainer(n_classes)
    train_network(whole, val, tmp_path / "whole.npz", {"job": 1})
    assert not (tmp_path / "other").exists() and len(whole.history["val_loss"]) == 4
    for last in (2, 4):  # in the second epoch, and in the augmented phase
        with pytest.raises(KeyboardInterrupt):
            train_network(
                trainer(n_classes), val, tmp_path / "cut.npz", {"job": 1}, Interrupting(last)
            )
    resumed, heard = trainer(n_classes), Interrupting()
    train_network(resumed, val, tmp_path / "cut.npz", {"job": 1}, heard)
    assert heard.lines[0] == "going on after epoch 3 of 4"
    assert "epoch 4/4 augmented" in heard.lines[1]
    expected, found = get_weights(whole.model), get_weights(resumed.model)
    assert all((expected[name] == found[name]).all() for name in expected)
    assert resumed.history == whole.history


def test_more_epochs_go_on_from_the_state_that_a_finished_run_left(tmp_path: Path) -> None:
    def trained(options: TrainingOptions, checkpoint: str) -> tuple[Trainer, list[str]]:
        heard = Interrupting()
        learner = Trainer(find_network("cnn1"), options, labelled(60, 3, 0), 3)
        train_network(learner, None, tmp_path / checkpoint, {"job": 1}, heard)
        return learner, heard.lines

    plain = TrainingOptions(epochs=2, batch_size=16)
    short, _ = trained(plain, "kept.npz")
    longer, lines = trained(OPTIONS, "kept.npz")
    assert lines[0] == "going on after epoch 2 of 4" and longer.seconds > short.seconds > 0
    whole, _ = trained(OPTIONS, "whole.npz")
    expected, found = get_weights(whole.model), get_weights(longer.model)
    assert all((expected[name] == found[name]).all() for name in expected)
    # The augmented phase has begun: a run with another first phase does not pass through it.
    _, lines = trained(TrainingOptions(epochs=3, augment_epochs=2, batch_size=16), "kept.npz")
    assert lines[0].startswith("epoch 1/5")


def test_curves_are_those_of_keras_and_the_network_learns() -> None:
    learner, val = trainer(3), labelled(50, 3, 2)
    for _ in range(2):
        learner.run_epoch()
    values = learner.evaluate(val)
    logits = learner.model.predict_on_batch(val.pixels.take(np.arange(50)))
    shifted = logits - logits.max(axis=1, keepdims=True)
    log_proba = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    assert values["val_loss"] == pytest.approx(-log_proba[np.arange(50), val.y].mean(), rel=1e-4)
    assert values["val_accuracy"] == pytest.approx((logits.argmax(axis=1) == val.y).mean())
    assert learner.history["loss"][1] < learner.history["loss"][0]


@pytest.mark.parametrize("network", ["cnn1", "cnn4"])
def test_bfloat16_trains_nearly_the_same_and_keeps_weights_in_float32(network: str) -> None:
    val, losses = labelled(50, 3, 2, 16), {}
    for precision in ("float32", "bfloat16"):
        options = replace(OPTIONS, precision=precision)
        learner = Trainer(find_network(network), options, labelled(200, 3, 0, 16), 3)
        for _ in range(3):  # the last of them augmented
            learner.run_epoch()
        learner.evaluate(val)
        losses[precision] = learner.history["loss"]
        assert all(w.dtype == np.float32 for w in get_weights(learner.model).values())
        logits = learner.model.predict_on_batch(val.pixels.take(np.arange(50)))
        assert logits.dtype == np.float32
    assert losses["bfloat16"][0] == pytest.approx(losses["float32"][0], rel=0.2)
    assert all(last < first / 2 for first, _, last in losses.values())
    assert losses["bfloat16"] != losses["float32"]


def test_weights_of_samples_move_the_loss() -> None:
    data = labelled(40, 2, 0)
    heavy = Labelled(data.pixels, data.y, np.where(data.y == 0, 100.0, 0.01).astype(np.float32))
    learner = Trainer(find_network("fc"), OPTIONS, heavy, 2)
    for _ in range(4):
        learner.run_epoch()
    logits = learner.model.predict_on_batch(data.pixels.take(np.flatnonzero(data.y == 0)))
    assert (logits < 0).all()


def test_every_epoch_takes_each_image_once_in_an_order_of_its_own() -> None:
    first, second = (list(epoch_batches(50, 16, 0, epoch)) for epoch in (0, 1))
    assert [len(rows) for rows in first] == [16, 16, 16, 2]
    assert sorted(np.concatenate(first)) == sorted(np.concatenate(second)) == list(range(50))
    assert not all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))
    again = list(epoch_batches(50, 16, 0, 0))
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))


def test_colour_becomes_luma_where_the_network_knows_grey_alone() -> None:
    rows = np.array([[255, 0, 0, 0, 255, 0, 0, 0, 255, 10, 10, 10]], np.float16)
    grey = as_images(rows, (2, 2, 1))
    assert grey.ravel() == pytest.approx([76.245, 149.685, 29.07, 10.0], abs=1e-3)
    assert (as_images(rows, (2, 2, 3)).ravel() == rows).all()


def test_checkpoint_is_read_for_its_own_job_only(tmp_path: Path) -> None:
    path = tmp_path / "c.npz"
    state = Checkpoint(2, 1, 7.5, {"loss": [1.0, 0.5, 0.25]}, {"w": np.arange(4.0)})
    assert read_checkpoint(path, {"a": 1}) is None
    write_checkpoint(path, {"a": 1}, state)
    assert read_checkpoint(path, {"a": 2}) is None
    found = read_checkpoint(path, {"a": 1})
    assert found is not None and found.n_epochs == 3 and found.history == state.history
    assert (found.n_plain, found.n_augmented, found.seconds) == (2, 1, 7.5)
    assert (found.arrays["w"] == state.arrays["w"]).all()
    path.write_bytes(path.read_bytes()[:-100])
    assert read_checkpoint(path, {"a": 1}) is None
