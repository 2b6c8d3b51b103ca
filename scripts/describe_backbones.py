"""Write extractor/data/backbones.json: the facts of keras.applications, asked of Keras itself.

    python scripts/describe_backbones.py [NAME ...] > extractor/data/backbones.json

Every builder runs twice, with and without its top, as it does for `weights="imagenet"`; only the
download is replaced, so that the published files' names, addresses and checksums come from Keras.
"""

from __future__ import annotations

import json
import math
import re
import sys
import warnings
from typing import Any

import keras
from keras.src.utils import file_utils

MIT, APACHE, BSD, CC_BY = "MIT", "Apache-2.0", "BSD-3-Clause", "CC-BY-4.0"
# name: (builder, preprocess mode, licence of the weights as Keras' documentation states it)
BACKBONES = {
    "vgg16": ("vgg16:VGG16", "caffe", CC_BY),
    "vgg19": ("vgg19:VGG19", "caffe", CC_BY),
    "resnet50": ("resnet:ResNet50", "caffe", MIT),
    "resnet101": ("resnet:ResNet101", "caffe", MIT),
    "resnet152": ("resnet:ResNet152", "caffe", MIT),
    "resnet50_v2": ("resnet_v2:ResNet50V2", "tf", BSD),
    "resnet101_v2": ("resnet_v2:ResNet101V2", "tf", BSD),
    "resnet152_v2": ("resnet_v2:ResNet152V2", "tf", BSD),
    "mobilenet": ("mobilenet:MobileNet", "tf", APACHE),
    "mobilenet_v2": ("mobilenet_v2:MobileNetV2", "tf", APACHE),
    "mobilenet_v3_small": ("mobilenet_v3:MobileNetV3Small", "none", APACHE),
    "mobilenet_v3_large": ("mobilenet_v3:MobileNetV3Large", "none", APACHE),
    "inception_v3": ("inception_v3:InceptionV3", "tf", APACHE),
    "inception_resnet_v2": ("inception_resnet_v2:InceptionResNetV2", "tf", APACHE),
    "xception": ("xception:Xception", "tf", MIT),
    **{
        f"densenet{depth}": (f"densenet:DenseNet{depth}", "torch", BSD) for depth in (121, 169, 201)
    },
    "nasnet_mobile": ("nasnet:NASNetMobile", "tf", APACHE),
    "nasnet_large": ("nasnet:NASNetLarge", "tf", APACHE),
    **{f"efficientnet_b{n}": (f"efficientnet:EfficientNetB{n}", "none", APACHE) for n in range(8)},
    **{
        f"efficientnet_v2_{kind.lower()}": (f"efficientnet_v2:EfficientNetV2{kind}", "none", APACHE)
        for kind in ("B0", "B1", "B2", "B3", "S", "M", "L")
    },
    **{
        f"convnext_{kind.lower()}": (f"convnext:ConvNeXt{kind}", "none", MIT)
        for kind in ("Tiny", "Small", "Base", "Large", "XLarge")
    },
}
FALLBACK_SIZE = 224  # where a builder leaves the default open, as MobileNetV3 does


def describe(name: str) -> dict[str, Any]:
    """Return the record of one backbone as JSON fields."""
    builder, preprocess, licence = BACKBONES[name]
    module, function = builder.split(":")
    build = getattr(keras.applications, function)
    top, top_file = built(build, include_top=True)
    size = top.input_shape[1] or FALLBACK_SIZE
    # ConvNeXt normalises after pooling: only with it is the output what was published.
    pooling = "avg" if module == "convnext" else None
    model, file = built(build, include_top=False, input_shape=(size, size, 3), pooling=pooling)
    names = {layer.name for layer in model.layers}
    # The published files of EfficientNet hold deviations where variances belong.
    flaws = {"stddev_as_variance": True} if module == "efficientnet" else {}
    return {
        "name": name,
        "builder": builder,
        **flaws,
        "preprocess": preprocess,
        "image_size": size,
        "min_size": min_size(build),
        "layer": model.layers[-1].name,
        "pooling": pooling,
        "n_features": model.output_shape[-1],
        "n_params": model.count_params(),
        "gmacs": round(count_macs(model) / 1e9, 2),
        "weights": file,
        "weights_with_top": top_file,
        "top_layers": [layer.name for layer in top.layers if layer.name not in names],
        "top_size": size if module in ("vgg16", "vgg19") else None,
        "licence": licence,
    }


def built(build: Any, **options: Any) -> tuple[Any, dict[str, str]]:
    """Run a builder as for published weights; return its model and the file that it asks for."""
    asked: dict[str, str] = {}

    def get_file(fname: str, origin: str, **more: Any) -> str:
        asked.update(name=fname, url=origin, checksum=more.get("file_hash") or "")
        return fname

    keras.backend.clear_session()
    kept = file_utils.get_file, keras.Model.load_weights
    file_utils.get_file, keras.Model.load_weights = get_file, lambda *_, **__: None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # MobileNetV3 warns where its size is left open
            model = build(weights="imagenet", **options)
    finally:
        file_utils.get_file, keras.Model.load_weights = kept
    return model, asked


def min_size(build: Any) -> int:
    """Return the least side that a builder takes without its top, by its own error message."""
    try:
        build(weights=None, include_top=False, input_shape=(1, 1, 3))
    except ValueError as error:
        found = re.search(r"at least (\d+)x", str(error))
        if found:
            return int(found.group(1))
    return 1


def count_macs(model: Any) -> int:
    """Return the multiply-adds of convolutions and dense layers for one image."""
    return sum(_macs(layer) for layer in model.layers)


def _macs(layer: Any) -> int:
    if hasattr(layer, "layers"):
        return count_macs(layer)
    kind = type(layer).__name__
    if kind not in ("Conv2D", "DepthwiseConv2D", "SeparableConv2D", "Dense"):
        return 0
    positions = math.prod(layer.output.shape[1:-1])
    if kind == "DepthwiseConv2D":
        return positions * math.prod(layer.kernel.shape)
    if kind == "SeparableConv2D":
        depth, point = layer.depthwise_kernel.shape, layer.pointwise_kernel.shape
        return positions * (math.prod(depth) + math.prod(point))
    return positions * math.prod(layer.kernel.shape)


if __name__ == "__main__":
    chosen = sys.argv[1:] or list(BACKBONES)
    records = []
    for chosen_name in chosen:
        records.append(describe(chosen_name))
        print(chosen_name, file=sys.stderr, flush=True)
    print(json.dumps(records, indent=1))
