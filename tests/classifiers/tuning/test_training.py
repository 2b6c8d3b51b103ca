"""Training a tail: its steps, its start, its stop, and going on after a kill."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from featx.classifiers.tuning.head import FinetunedHead
from featx.classifiers.tuning.samples import MapSamples
from featx.classifiers.tuning.tail import Tail, cut_tail
from featx.classifiers.tuning.training import TailTrainer, train_tail
from featx.extractor.backbones import build_backbone, find_layer
from featx.extractor.plan import FeatureOptions, Plan, make_plan
from featx.extractor.run_options import LogObserver

LAYER = "block6d_add"
N = 48


@dataclass(frozen=True)
class Study:
    """Images of two or three classes with the outputs of the frozen layers."""

    plan: Plan
    images: NDArray[np.float32]
    maps: NDArray[np.float32]
    y: NDArray[np.int64]

    def samples(self, rows: slice) -> MapSamples:
        return MapSamples(self.maps[rows].reshape(len(self.y[rows]), -1), self.y[rows])


class Heard(LogObserver):
    """Hears of epochs, and presses Ctrl-C after one of them."""

    def __init__(self, last: int = 0) -> None:
        self.last, self.lines = last, []

    def say(self, text: str) -> None:
        self.lines.append(text)
        if self.last and text.startswith(f"epoch {self.last}/"):
            raise KeyboardInterrupt


@pytest.fixture(scope="module")
def study() -> Study:
    return make_study(3)


def make_study(n_classes: int) -> Study:
    import keras

    plan = make_plan(FeatureOptions(image_size=32, precision="float32"))
    rng = np.random.default_rng(0)
    y = np.arange(N) % n_classes
    images = rng.normal(size=(N, 32, 32, 3)) + 0.4 * (y - 1)[:, None, None, None]
    images = images.astype(np.float32)
    backbone = build_backbone(plan.record, plan.weights, (32, 32))
    front = keras.Model(backbone.input, find_layer(backbone, LAYER).output)
    return Study(plan, images, front.predict_on_batch(images), y)


def started(
    study: Study, views: Sequence[NDArray[np.float32]] = (), **params: Any
) -> tuple[Tail, FinetunedHead, TailTrainer]:
    """Return a trainer whose head was fitted on the features of the first 36 images."""
    tail = cut_tail(study.plan, LAYER)
    train, held_out = slice(0, 36), slice(36, N)
    head = FinetunedHead(LAYER, **{"C": 1e-3, "batch_size": 16, "precision": "float32", **params})
    head.fit(tail.features(study.maps[train]), study.y[train])
    samples = replace(study.samples(train), views=[view[train].reshape(36, -1) for view in views])
    return tail, head, TailTrainer(tail, head, samples, study.samples(held_out))


def arrays(tail: Tail, head: FinetunedHead) -> list[NDArray[Any]]:
    kernel, bias = head.logit_weights
    return [*tail.weights().arrays.values(), kernel, bias]


@pytest.mark.parametrize(
    ("n_classes", "batch_norm"),
    [(2, False), pytest.param(3, True, marks=pytest.mark.long)],
)
def test_a_step_on_cached_maps_is_a_step_of_the_whole_network(
    n_classes: int, batch_norm: bool
) -> None:
    import keras

    study = make_study(n_classes)
    tail, _, trainer = started(study, batch_norm=batch_norm)
    backbone = build_backbone(study.plan.record, study.plan.weights, (32, 32))
    trained = {layer.name for layer in tail.layers}
    for layer in backbone.layers:
        frozen = isinstance(layer, keras.layers.BatchNormalization) and not batch_norm
        layer.trainable = layer.name in trained and not frozen
    head_layers = [la for la in trainer.model.layers if la.name in ("start", "difference")]
    scaled = keras.layers.Rescaling(
        1 / trainer.head.scale_, -trainer.head.mean_ / trainer.head.scale_
    )(backbone.output)
    copies = [keras.layers.Dense(la.units, trainable=la.trainable) for la in head_layers]
    first, second = (copy(scaled) for copy in copies)
    factor = {"start": 1.0, "difference": trainer.head.head_lr / trainer.head.lr}
    parts = [
        keras.layers.Rescaling(factor[la.name])(part)
        for la, part in zip(head_layers, (first, second), strict=True)
    ]
    whole = keras.Model(backbone.input, keras.layers.Add()(parts))
    for copy, original in zip(copies, head_layers, strict=True):
        copy.set_weights(original.get_weights())
    is_binary = whole.output_shape[-1] == 1
    losses = keras.losses
    loss = losses.BinaryCrossentropy if is_binary else losses.SparseCategoricalCrossentropy
    rate = float(np.asarray(trainer._optimiser.learning_rate))
    whole.compile(keras.optimizers.Adam(rate), loss(from_logits=True), jit_compile=False)

    y = study.y[:16].astype(np.float32)
    mine = trainer.model.train_on_batch(study.maps[:16], y, return_dict=True)["loss"]
    theirs = whole.train_on_batch(study.images[:16], y, return_dict=True)["loss"]
    assert mine == pytest.approx(theirs, rel=1e-4)
    for layer in tail.layers:
        for ours, other in zip(
            layer.get_weights(), backbone.get_layer(layer.name).get_weights(), strict=True
        ):
            assert ours == pytest.approx(other, abs=2e-6 + 0.02 * rate)
    for copy, original in zip(copies, head_layers, strict=True):
        for ours, other in zip(original.get_weights(), copy.get_weights(), strict=True):
            assert ours == pytest.approx(other, abs=2e-6 + 0.02 * rate)


@pytest.mark.long
def test_bfloat16_trains_nearly_the_same_and_predicts_in_float32(
    study: Study, tmp_path: Path
) -> None:
    losses = {}
    for precision in ("float32", "bfloat16"):
        tail, head, trainer = started(study, epochs=2, precision=precision)
        train_tail(trainer, tmp_path / precision, {"job": 1}, Heard())
        losses[precision] = head.history_["loss"]
        again = cut_tail(study.plan, LAYER)
        for layer, (_, weights) in zip(again.layers, _by_layer(tail), strict=True):
            layer.set_weights(weights)
        assert tail.features(study.maps) == pytest.approx(again.features(study.maps), abs=1e-6)
    assert losses["bfloat16"] == pytest.approx(losses["float32"], rel=0.1)
    assert losses["bfloat16"] != losses["float32"]


def _by_layer(tail: Tail) -> list[tuple[str, list[NDArray[Any]]]]:
    return [(layer.name, layer.get_weights()) for layer in tail.layers]


def test_an_epoch_draws_one_view_of_each_sample_anew() -> None:
    views = [np.full((40, 6), number, np.float32) for number in (1, 2)]
    samples = MapSamples(np.zeros((40, 6), np.float16), np.arange(40) % 2, views=views)
    first, second = samples.draw(5, 0), samples.draw(5, 1)
    assert set(first.tolist()) == {0, 1, 2} and (first != second).any()
    assert (samples.draw(5, 0) == first).all() and (samples.draw(6, 0) != first).any()
    rows = np.array([3, 7, 8, 21])
    taken = samples.take(rows, (1, 2, 3), first)
    assert taken.shape == (4, 1, 2, 3) and taken.dtype == np.float32
    assert (taken == first[rows][:, None, None, None]).all()
    assert (samples.take(rows, (1, 2, 3)) == 0).all()
    assert MapSamples(samples.maps, samples.y).draw(5, 0) is None


def test_an_epoch_learns_from_the_views_that_it_drew(study: Study) -> None:
    views = [study.maps + 100 * number for number in (1, 2)]
    _, _, trainer = started(study, views)
    seen: list[NDArray[np.float32]] = []
    step = trainer.model.train_on_batch

    def watched(maps: NDArray[np.float32], *more: Any, **options: Any) -> Any:
        seen.append(maps)
        return step(maps, *more, **options)

    trainer.model.train_on_batch = watched
    for epoch in range(2):
        seen.clear()
        trainer.run_epoch(Heard())
        numbers = np.round((np.concatenate(seen) - study.maps[:36].mean()).mean((1, 2, 3)) / 100)
        drawn = trainer.train.draw(0, epoch)
        assert sorted(numbers.tolist()) == sorted(drawn.tolist()), "each sample once, in one view"


@pytest.mark.parametrize("n_classes", [2, 3])
def test_mixup_learns_from_mixtures_and_judges_images_themselves(n_classes: int) -> None:
    study = make_study(n_classes)
    _, _, trainer = started(study, mixup=0.4)
    seen: list[tuple[Any, ...]] = []
    step = trainer.model.train_on_batch

    def watched(*data: Any, **options: Any) -> Any:
        seen.append(data)
        return step(*data, **options)

    trainer.model.train_on_batch = watched
    values = trainer.run_epoch(Heard())
    maps, shares = (np.concatenate([data[i] for data in seen]) for i in (0, 1))
    own = np.stack([np.abs(maps - one).mean((1, 2, 3)) for one in study.maps[:36]])
    assert len(maps) == 36 and (own.min(0) > 0).any(), "some are of two images"
    assert sorted(own.argmin(0).tolist()) == list(range(36)), "each is mostly an image of its own"
    largest = (shares > 0.5).astype(int) if n_classes == 2 else shares.argmax(1)
    assert (largest == study.y[own.argmin(0)]).all() and ((shares > 0) & (shares < 1)).any()
    judged = trainer.model.predict_on_batch(study.maps[36:])
    said = judged[:, 0] > 0 if n_classes == 2 else judged.argmax(1)
    assert values["val_accuracy"] == pytest.approx((said == study.y[36:]).mean())


def test_without_epochs_the_model_is_the_head_on_plain_features(
    study: Study, tmp_path: Path
) -> None:
    tail, head, trainer = started(study, epochs=0)
    features = tail.features(study.maps)
    before = head.predict_proba(features)
    train_tail(trainer, tmp_path / "state", {"job": 1}, Heard())
    assert tail.features(study.maps) == pytest.approx(features, abs=0)
    assert head.predict_proba(features) == pytest.approx(before, abs=1e-6)


def test_training_ends_with_the_best_epoch(study: Study, tmp_path: Path) -> None:
    tail, head, trainer = started(study, epochs=30, lr=3e-3, patience=2)
    heard = Heard()
    train_tail(trainer, tmp_path / "state", {"job": 1}, heard)
    losses = [trainer.best_loss, *head.history_["val_loss"]]
    assert len(head.history_["loss"]) == trainer.n_done < 30
    assert min(losses) == trainer.best_loss and heard.lines[-1].startswith("stopped")
    y, rows = study.y[36:], np.arange(N - 36)
    proba = head.predict_proba(tail.features(study.maps[36:]))[rows, y]
    assert -np.log(proba).mean() == pytest.approx(trainer.best_loss, rel=1e-3)


def test_rates_rise_for_an_epoch_and_fall_along_a_cosine(study: Study) -> None:
    _, _, trainer = started(study, epochs=3, lr=0.02, batch_size=4)
    rates: list[float] = []
    step = trainer.model.train_on_batch

    def watched(*data: Any, **options: Any) -> Any:
        rates.append(float(trainer._optimiser.learning_rate.numpy()))
        return step(*data, **options)

    trainer.model.train_on_batch = watched
    for _ in range(3):
        trainer.run_epoch(Heard())
    assert len(rates) == 27
    assert rates[:9] == pytest.approx(0.02 * np.arange(1, 10) / 9)
    assert rates[9:] == pytest.approx(0.01 * (1 + np.cos(np.pi * np.arange(1, 19) / 19)))


def test_interrupted_training_ends_with_the_bits_of_an_undisturbed_one(
    study: Study, tmp_path: Path
) -> None:
    views = [study.maps[:, ::-1], study.maps[:, :, ::-1]]
    options = {"views": views, "epochs": 3, "patience": 9, "batch_norm": True, "mixup": 0.3}
    tail, head, trainer = started(study, **options)
    train_tail(trainer, tmp_path / "whole", {"job": 1}, Heard())
    expected = arrays(tail, head)
    _, _, cut = started(study, **options)
    with pytest.raises(KeyboardInterrupt):
        train_tail(cut, tmp_path / "cut", {"job": 1}, Heard(last=2))
    tail, head, resumed = started(study, **options)
    heard = Heard()
    train_tail(resumed, tmp_path / "cut", {"job": 1}, heard)
    assert heard.lines[0] == "going on after epoch 1 of 3"
    found = arrays(tail, head)
    assert all((a == b).all() for a, b in zip(expected, found, strict=True))
    assert resumed.history == trainer.history
