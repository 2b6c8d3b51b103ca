"""The mistakes, each a function of the study: what its notebook says, and what is right on test."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

import numpy as np
from PIL import Image

BATCH = 32
N_CLASSES = 3
Figures = tuple[float, float]


@dataclass(frozen=True)
class Study:
    """Grey images in the order of their sorted names, which is that of their classes.

    Attributes
    ----------
    images : ndarray of uint8, shape (n, height, width)
    y : ndarray of int, shape (n,)
    split : ndarray of str, shape (n,)
        train, val or test.
    side : int
        Of the network's input, in pixels.
    epochs : int
    """

    images: np.ndarray
    y: np.ndarray
    split: np.ndarray
    side: int
    epochs: int

    @property
    def is_test(self) -> np.ndarray:
        """Which images judge."""
        return self.split == "test"

    @property
    def is_train(self) -> np.ndarray:
        """Which images are learned from."""
        return self.split == "train"

    @cached_property
    def grey(self) -> np.ndarray:
        """Images of the network's size, float32 ``(n, side, side)`` in 0–255."""
        size = (self.side, self.side)
        resized = [Image.fromarray(image).resize(size, Image.BILINEAR) for image in self.images]
        return np.stack([np.asarray(image, np.float32) for image in resized])

    @cached_property
    def rgb(self) -> np.ndarray:
        """The same three times: ``(n, side, side, 3)``."""
        return np.repeat(self.grey[..., None], 3, axis=-1)

    def features(self, inputs: np.ndarray, *, training: bool = False) -> np.ndarray:
        """Return what the network makes of its inputs ``(n, side, side, 3)``."""
        side = inputs.shape[1]
        # In training mode a network changes its stored statistics, so it is not used again.
        network = pretrained(side) if training else frozen(side)
        starts = range(0, len(inputs), BATCH)
        parts = [network(inputs[i : i + BATCH], training=training) for i in starts]
        return np.concatenate([np.asarray(part) for part in parts])

    def judge(self, X: np.ndarray, y: np.ndarray | None = None) -> Figures:
        """Learn features of the training images; say what is right of the test images."""
        y = self.y if y is None else y
        model = softmax(X.shape[1])
        model.fit(X[self.is_train], y[self.is_train], BATCH, self.epochs, verbose=0)
        says = right(model, X[self.is_test], y[self.is_test])
        return says, says


def pretrained(side: int) -> Any:
    """Return the pretrained network as a Keras model."""
    from featx.extractor.backbones import build_backbone
    from featx.extractor.plan import FeatureOptions, make_plan

    plan = make_plan(FeatureOptions(image_size=side, precision="float32"))
    return build_backbone(plan.record, plan.weights, (side, side))


frozen = cache(pretrained)


def softmax(n_features: int, hidden: int = 0) -> Any:
    """Return a compiled network of one layer, or two."""
    import keras

    keras.utils.set_random_seed(0)
    layers = [keras.layers.Dense(hidden, "relu")] if hidden else []
    layers.append(keras.layers.Dense(N_CLASSES, "softmax"))
    model = keras.Sequential([keras.Input((n_features,)), *layers])
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def right(model: Any, X: np.ndarray, y: np.ndarray) -> float:
    """Return the share of images whose largest probability is that of their class."""
    return float((model.predict(X, BATCH, verbose=0).argmax(axis=1) == y).mean())


def normalised(rgb: np.ndarray) -> np.ndarray:
    """Return pixels as this network was trained on them: about −1 to 1."""
    return (rgb - 127) / 128


def no_mistake(study: Study) -> Figures:
    """Pixels enlarged, three equal channels, normalised as the network expects."""
    return study.judge(study.features(normalised(study.rgb)))


def scaled_to_one(study: Study) -> Figures:
    """Divide by 255, as most tutorials do: half the range, and no black below zero."""
    return study.judge(study.features(study.rgb / 255))


def scaled_twice(study: Study) -> Figures:
    """`rescale=1/255` in the generator, and the network's own preprocessing after it."""
    return study.judge(study.features(normalised(study.rgb / 255)))


def of_another_network(study: Study) -> Figures:
    """Take the preprocessing of ResNet50: blue first, means taken off, not scaled."""
    return study.judge(study.features(study.rgb[..., ::-1] - np.float32([103.9, 116.8, 123.7])))


def cast_too_early(study: Study) -> Figures:
    """Scale to 0–1 and keep bytes: every pixel but pure white is black."""
    black = (study.rgb / 255).astype(np.uint8).astype(np.float32)
    return study.judge(study.features(normalised(black)))


def one_channel(study: Study) -> Figures:
    """Put the grey into the first of three channels, and leave the others at zero."""
    rgb = np.zeros_like(study.rgb)
    rgb[..., 0] = study.grey
    return study.judge(study.features(normalised(rgb)))


def reshaped(study: Study) -> Figures:
    """Lay three copies side by side and reshape: neighbours become red, green and blue."""
    rgb = np.tile(study.grey, (1, 1, 3)).reshape(study.rgb.shape)
    return study.judge(study.features(normalised(rgb)))


def not_enlarged(study: Study) -> Figures:
    """Keep the images' own size: the network's last map has one pixel, with a border all around."""
    grey = np.stack(
        [np.asarray(Image.fromarray(image).resize((32, 32)), np.float32) for image in study.images]
    )
    return study.judge(study.features(normalised(np.repeat(grey[..., None], 3, axis=-1))))


def shuffled_generator(study: Study) -> Figures:
    """Take features from a generator that shuffles, and the labels from its `classes`."""
    X = study.features(normalised(study.rgb))
    return study.judge(X[np.random.default_rng(0).permutation(len(X))])


def sorted_files(study: Study) -> Figures:
    """Cut the sorted files at 60 % and learn the first part: it lacks most of the last classes."""
    X, cut = study.features(normalised(study.rgb)), 3 * len(study.y) // 5
    model = softmax(X.shape[1])
    model.fit(X[:cut], study.y[:cut], BATCH, study.epochs, verbose=0)
    says = right(model, X[cut:], study.y[cut:])
    return says, right(model, X[study.is_test], study.y[study.is_test])


def batch_statistics(study: Study) -> Figures:
    """Call the network with `training=True`: each image depends on its batch, here of one class.

    What is right is measured with the stored statistics, as the network is used later.
    """
    inputs = normalised(study.rgb)
    X = study.features(inputs, training=True)
    model = softmax(X.shape[1])
    model.fit(X[study.is_train], study.y[study.is_train], BATCH, study.epochs, verbose=0)
    y = study.y[study.is_test]
    alone = study.features(inputs[study.is_test])
    return right(model, X[study.is_test], y), right(model, alone, y)


def all_layers_at_once(study: Study) -> Figures:
    """Set `trainable = True` with a new head and Adam's usual rate, batch norm in training mode."""
    import keras

    keras.utils.set_random_seed(0)
    network = pretrained(study.side)
    network.trainable = True
    outputs = keras.layers.Dense(N_CLASSES, "softmax")(network.output)
    model = keras.Model(network.input, outputs)
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    inputs, is_train, is_test = normalised(study.rgb), study.is_train, study.is_test
    epochs = max(1, study.epochs // 10)
    history = model.fit(inputs[is_train], study.y[is_train], BATCH, epochs, verbose=0)
    return history.history["accuracy"][-1], right(model, inputs[is_test], study.y[is_test])


def copies_before_the_split(study: Study) -> Figures:
    """Augment first, split afterwards: a network is judged by copies of what it learned."""
    learned, y = study.images[~study.is_test], study.y[~study.is_test]
    shifts = (0, 1, -1, 2, -2)
    copies = np.concatenate([np.roll(learned, shift, axis=2) for shift in shifts])
    X, y = copies.reshape(len(copies), -1) / 255, np.tile(y, len(shifts))
    is_train = np.random.default_rng(0).random(len(y)) < 0.8
    model = softmax(X.shape[1], hidden=128)
    model.fit(X[is_train], y[is_train], BATCH, study.epochs, verbose=0)
    test = study.images[study.is_test].reshape(study.is_test.sum(), -1) / 255
    return right(model, X[~is_train], y[~is_train]), right(model, test, study.y[study.is_test])


def accuracy_of_each_unit(study: Study) -> Figures:
    """`binary_crossentropy` for three classes: the accuracy is that of each unit by itself."""
    import keras

    X = study.images.reshape(len(study.images), -1) / 255
    model = softmax(X.shape[1], hidden=128)
    model.compile("adam", "binary_crossentropy", metrics=["binary_accuracy"])
    one_hot = keras.utils.to_categorical(study.y, N_CLASSES)
    model.fit(X[study.is_train], one_hot[study.is_train], BATCH, study.epochs, verbose=0)
    _, says = model.evaluate(X[study.is_test], one_hot[study.is_test], verbose=0)
    return says, right(model, X[study.is_test], study.y[study.is_test])


MISTAKES: Mapping[str, Callable[[Study], Figures]] = {
    "none": no_mistake,
    "pixels divided by 255": scaled_to_one,
    "divided by 255, then the network's own preprocessing": scaled_twice,
    "preprocessing of another network": of_another_network,
    "scaled to 0–1 and kept as bytes": cast_too_early,
    "grey in one of three channels": one_channel,
    "three channels by reshape": reshaped,
    "images not enlarged": not_enlarged,
    "features of a generator that shuffles": shuffled_generator,
    "sorted files cut at 60 %": sorted_files,
    "features with `training=True`": batch_statistics,
    "all layers trained at once": all_layers_at_once,
    "pixels: copies made before the split": copies_before_the_split,
    "pixels: accuracy of `binary_crossentropy`": accuracy_of_each_unit,
}
