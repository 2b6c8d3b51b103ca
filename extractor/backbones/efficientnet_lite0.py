"""EfficientNet-lite0, the backbone whose ImageNet weights travel inside the package.

Architecture: EfficientNet (Tan & Le 2019, arXiv:1905.11946) in the "lite" form of the TensorFlow
TPU repository: no squeeze-and-excite, ReLU6 in place of swish, stem and head of fixed width.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from .record import DATA, BackboneRecord

N_CLASSES = 1000
N_FEATURES = 1280
_BN_EPSILON = 1e-3
_STEM_WIDTH = 32


class _Stage(NamedTuple):
    """One row of the paper's architecture table: `repeats` blocks, the first one with `stride`."""

    repeats: int
    kernel: int
    stride: int
    expand: int
    width: int


_STAGES = (
    _Stage(1, 3, 1, 1, 16),
    _Stage(2, 3, 2, 6, 24),
    _Stage(2, 5, 2, 6, 40),
    _Stage(3, 3, 2, 6, 80),
    _Stage(3, 5, 1, 6, 112),
    _Stage(4, 5, 2, 6, 192),
    _Stage(1, 3, 1, 6, 320),
)


EFFICIENTNET_LITE0 = BackboneRecord(
    name="efficientnet_lite0",
    builder="efficientnet_lite0:build",
    preprocess="lite",
    image_size=224,
    min_size=32,
    layer="top_activation",
    n_features=N_FEATURES,
    n_params=3_413_024,
    gmacs=0.38,
    weights=None,
    weights_with_top=None,
    top_layers=("avg_pool", "logits", "predictions"),
    licence="Apache-2.0",
    embedded=DATA / "efficientnet_lite0.weights.h5",
)


def build(
    include_top: bool = True,
    input_shape: tuple[int | None, int | None, int] = (224, 224, 3),
) -> Any:
    """Build EfficientNet-lite0 with random weights, on any Keras backend.

    Input: float `(n, height, width, 3)`, already preprocessed as `(x - 127) / 128`. Output: class
    probabilities `(n, 1000)` (`predictions`, the softmax of the layer `logits`), or without the top
    `avg_pool` `(n, 1280)`. The feature map `top_activation` `(n, h/32, w/32, 1280)`, sides rounded
    up, is a layer of both. One weights file fits both.
    """
    import keras

    inputs = keras.Input(input_shape, name="input_image")
    x = _conv_bn(inputs, _STEM_WIDTH, kernel=3, stride=2, name="stem_")
    x = _activation(x, "stem_")
    for number, stage in enumerate(_STAGES, start=1):
        for i in range(stage.repeats):
            name = f"block{number}{chr(ord('a') + i)}_"
            x = _block(x, stage, stride=stage.stride if i == 0 else 1, name=name)
    x = _activation(_conv_bn(x, N_FEATURES, name="top_"), "top_")
    x = keras.layers.GlobalAveragePooling2D(name="avg_pool")(x)
    if include_top:
        x = keras.layers.Dense(N_CLASSES, name="logits")(x)
        x = keras.layers.Activation("softmax", name="predictions")(x)
    return keras.Model(inputs, x, name="efficientnet_lite0")


def _block(inputs: Any, stage: _Stage, stride: int, name: str) -> Any:
    """Inverted residual: expand 1x1, depthwise, project 1x1; a shortcut where shapes agree."""
    import keras

    width_in = inputs.shape[-1]
    x = inputs
    if stage.expand != 1:
        x = _activation(
            _conv_bn(x, width_in * stage.expand, name=name + "expand_"), name + "expand_"
        )
    x = keras.layers.DepthwiseConv2D(
        stage.kernel, strides=stride, padding="same", use_bias=False, name=name + "dwconv"
    )(x)
    x = _activation(_batch_norm(x, name), name)
    x = _conv_bn(x, stage.width, name=name + "project_")
    if stride == 1 and width_in == stage.width:
        x = keras.layers.Add(name=name + "add")([x, inputs])
    return x


def _conv_bn(x: Any, width: int, name: str, kernel: int = 1, stride: int = 1) -> Any:
    """Convolution without bias, then batch normalisation."""
    import keras

    x = keras.layers.Conv2D(
        width, kernel, strides=stride, padding="same", use_bias=False, name=name + "conv"
    )(x)
    return _batch_norm(x, name)


def _batch_norm(x: Any, name: str) -> Any:
    import keras

    return keras.layers.BatchNormalization(epsilon=_BN_EPSILON, name=name + "bn")(x)


def _activation(x: Any, name: str) -> Any:
    import keras

    return keras.layers.Activation("relu6", name=name + "activation")(x)
