"""What featx knows of a backbone: one frozen record each, and how it wants its pixels."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

DATA = Path(__file__).resolve().parents[1] / "data"


@dataclass(frozen=True)
class WeightsFile:
    """A published weights file.

    Attributes
    ----------
    name : str
        Its name in Keras' cache folder.
    url : str
    checksum : str
        Its published MD5 or SHA-256, hexadecimal, or empty where none is published.
    """

    name: str
    url: str
    checksum: str = ""

    @property
    def algorithm(self) -> str:
        """Which sum ``checksum`` is, told by its length."""
        return "sha256" if len(self.checksum) == 64 else "md5"


@dataclass(frozen=True, kw_only=True)
class BackboneRecord:
    """What featx knows of one backbone.

    Attributes
    ----------
    name : str
    builder : str
        ``module:function`` that builds it: of ``keras.applications``, or of this package where it
        ships with featx; empty for a model that a person brings.
    preprocess : str
        How its publisher turned 8-bit RGB into its input (a key of ``PREPROCESS``); ``none`` also
        where the network does so itself in its first layers.
    image_size, min_size : int
        Side in pixels of the square that it was trained on, and the least that it takes.
    shape : (int or None, int or None)
        Height and width that it is bound to, where a model file fixes them.
    layer : str
        The layer of the default features: the last map before its top, average-pooled.
    pooling : str or None
        Handed to the builder where the published network does more after its pooling (ConvNeXt
        normalises there), so that ``layer`` already gives vectors.
    n_features : int
        Width of the default features.
    n_params : int
        Weights without the top.
    gmacs : float
        Multiply-adds of its convolutions and dense layers for one image of ``image_size``, without
        the top, in thousands of millions.
    weights, weights_with_top : WeightsFile or None
        Published ImageNet weights; None where they ship with featx.
    pool : str
        How the map of its default layer becomes a vector.
    has_weights : bool
        False where there is nothing to load.
    embedded : Path or None
        The weights file that ships with featx.
    stddev_as_variance : bool
        Whether the published files hold the standard deviation of the input where its variance
        belongs.
    top_layers : tuple of str
        Layers that exist only with the top.
    top_size : int or None
        The only image size at which the top exists, where it is bound to one.
    licence : str
        Of the weights.
    path : Path or None
        The file of a model that a person brings.
    """

    name: str
    builder: str
    preprocess: str
    image_size: int
    min_size: int
    layer: str
    n_features: int
    n_params: int
    gmacs: float
    weights: WeightsFile | None
    weights_with_top: WeightsFile | None
    top_layers: tuple[str, ...]
    licence: str
    pooling: str | None = None
    top_size: int | None = None
    shape: tuple[int | None, int | None] = (None, None)
    path: Path | None = None
    pool: str = "avg"
    has_weights: bool = True
    embedded: Path | None = None
    stddev_as_variance: bool = False

    @property
    def is_embedded(self) -> bool:
        """Whether all that it needs ships with featx."""
        return self.weights is None and self.path is None


@dataclass(frozen=True)
class Preprocess:
    """``(x - mean) / scale`` on channels that may first be turned to BGR, on the device.

    Attributes
    ----------
    mean, scale : tuple of 3 float
        In the order of the channels after a turn to BGR.
    bgr : bool
    """

    mean: tuple[float, float, float]
    scale: tuple[float, float, float]
    bgr: bool = False

    def __call__(self, x: Any) -> Any:
        """Return the backbone's input for uint8 RGB ``(n, h, w, 3)`` as float32, any backend."""
        from keras import ops

        x = ops.cast(x, "float32")
        if self.bgr:
            x = ops.flip(x, axis=-1)
        if any(self.mean):
            x = x - np.array(self.mean, np.float32)
        if self.scale != (1.0, 1.0, 1.0):
            x = x / np.array(self.scale, np.float32)
        return x


# The constants of ``keras.applications.imagenet_utils.preprocess_input`` and, for ``lite``, of the
# EfficientNet-lite release of the TensorFlow TPU repository.
PREPROCESS = MappingProxyType(
    {
        "none": Preprocess((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
        "tf": Preprocess((127.5, 127.5, 127.5), (127.5, 127.5, 127.5)),
        "lite": Preprocess((127.0, 127.0, 127.0), (128.0, 128.0, 128.0)),
        "caffe": Preprocess((103.939, 116.779, 123.68), (1.0, 1.0, 1.0), bgr=True),
        "torch": Preprocess(
            (0.485 * 255, 0.456 * 255, 0.406 * 255), (0.229 * 255, 0.224 * 255, 0.225 * 255)
        ),
    }
)
