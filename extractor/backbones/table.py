"""The backbones that featx knows: one frozen record each."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType

from ...cache.errors import UnknownBackboneError
from ...cache.suggest import did_you_mean

DEFAULT_BACKBONE = "efficientnet_lite0"
KERAS_WEIGHTS = "https://storage.googleapis.com/tensorflow/keras-applications"


@dataclass(frozen=True)
class WeightsFile:
    """A published weights file.

    Attributes
    ----------
    name : str
        Its name in Keras' cache folder.
    url : str
    md5 : str
        Its published MD5, or empty where none is published.
    """

    name: str
    url: str
    md5: str = ""


@dataclass(frozen=True, kw_only=True)
class BackboneRecord:
    """What featx knows of one backbone.

    Attributes
    ----------
    name : str
    builder : str
        ``module:function`` that builds it; of ``keras.applications`` unless it is ours.
    preprocess : str
        How its publisher turned 8-bit RGB into its input (a key of ``PREPROCESS``).
    image_size, min_size : int
        Side in pixels of the square that it was trained on, and the least that it takes.
    layer : str
        The last map before its top: the default features, average-pooled.
    n_features : int
        Width of the default features.
    n_params : int
        Weights without the top.
    weights, weights_with_top : WeightsFile or None
        Published ImageNet weights; None where they ship with featx.
    top_layers : tuple of str
        Layers that exist only with the top.
    licence : str
        Of the weights.
    """

    name: str
    builder: str
    preprocess: str
    image_size: int
    min_size: int
    layer: str
    n_features: int
    n_params: int
    weights: WeightsFile | None
    weights_with_top: WeightsFile | None
    top_layers: tuple[str, ...]
    licence: str

    @property
    def is_embedded(self) -> bool:
        """Whether the weights ship with featx."""
        return self.weights is None


def _keras_file(folder: str, name: str, md5: str = "") -> WeightsFile:
    return WeightsFile(name, f"{KERAS_WEIGHTS}/{folder}/{name}", md5)


_RECORDS = (
    BackboneRecord(
        name="efficientnet_lite0",
        builder="featx:efficientnet_lite0",
        preprocess="lite",
        image_size=224,
        min_size=32,
        layer="top_activation",
        n_features=1280,
        n_params=3_413_024,
        weights=None,
        weights_with_top=None,
        top_layers=("avg_pool", "logits", "predictions"),
        licence="Apache-2.0",
    ),
    BackboneRecord(
        name="vgg19",
        builder="vgg19:VGG19",
        preprocess="caffe",
        image_size=224,
        min_size=32,
        layer="block5_pool",
        n_features=512,
        n_params=20_024_384,
        weights=_keras_file(
            "vgg19",
            "vgg19_weights_tf_dim_ordering_tf_kernels_notop.h5",
            "253f8cb515780f3b799900260a226db6",
        ),
        weights_with_top=_keras_file(
            "vgg19",
            "vgg19_weights_tf_dim_ordering_tf_kernels.h5",
            "cbe5617147190e668d6c5d5026f83318",
        ),
        top_layers=("flatten", "fc1", "fc2", "predictions"),
        licence="CC-BY-4.0",
    ),
    BackboneRecord(
        name="resnet50",
        builder="resnet:ResNet50",
        preprocess="caffe",
        image_size=224,
        min_size=32,
        layer="conv5_block3_out",
        n_features=2048,
        n_params=23_587_712,
        weights=_keras_file(
            "resnet",
            "resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5",
            "4d473c1dd8becc155b73f8504c6f6626",
        ),
        weights_with_top=_keras_file(
            "resnet",
            "resnet50_weights_tf_dim_ordering_tf_kernels.h5",
            "2cb95161c43110f7111970584f804107",
        ),
        top_layers=("avg_pool", "predictions"),
        licence="MIT",
    ),
    BackboneRecord(
        name="mobilenet",
        builder="mobilenet:MobileNet",
        preprocess="tf",
        image_size=224,
        min_size=32,
        layer="conv_pw_13_relu",
        n_features=1024,
        n_params=3_228_864,
        weights=_keras_file("mobilenet", "mobilenet_1_0_224_tf_no_top.h5"),
        weights_with_top=_keras_file("mobilenet", "mobilenet_1_0_224_tf.h5"),
        top_layers=("dropout", "conv_preds", "reshape_2", "predictions"),
        licence="Apache-2.0",
    ),
)

BACKBONES = MappingProxyType({record.name: record for record in _RECORDS})


def find_backbone(name: str) -> BackboneRecord:
    """Return the record of a backbone.

    Raises
    ------
    UnknownBackboneError
        There is none of that name; the message lists close matches.
    """
    try:
        return BACKBONES[name]
    except KeyError:
        raise UnknownBackboneError(
            f"unknown backbone {name!r}. {did_you_mean(name, BACKBONES)} "
            "`featx backbones` lists them"
        ) from None
