"""Make the folders of timm beside this file: random weights, its transforms, ``config.json``.

``python make_timm.py FOLDER`` writes the small ones of the tests, with ``--full`` the published
sizes. Needs timm, torchvision, onnx and onnxscript.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import timm
import torch
from make import Outputs, pictures, spread
from make import export as export_onnx
from PIL import Image
from timm.data import create_transform, resolve_data_config

NETWORKS = {
    "timm_vit": (
        "vit_base_patch16_224",
        {"img_size": 32, "patch_size": 8, "embed_dim": 32, "depth": 2, "num_heads": 2},
        {"crop_pct": 0.9, "interpolation": "bicubic", "mean": [0.5] * 3, "std": [0.5] * 3},
    ),
    "timm_convnext": (
        "convnext_tiny",
        {"depths": (1, 1, 1, 1), "dims": (8, 16, 24, 32)},
        {"crop_pct": 0.875, "interpolation": "bilinear", "crop_mode": "center"},
    ),
    "timm_regnet": (
        "regnety_016",
        None,
        {"crop_pct": 1.0, "crop_mode": "squash", "interpolation": "bicubic"},
    ),
}
IMAGENET = {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}


class Pooled(torch.nn.Module):
    """A network that gives its vectors under the name that the tests ask for."""

    def __init__(self, network: torch.nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, pixel_values: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return the vectors."""
        return {"pooler_output": self.network(pixel_values)}


def main() -> None:
    """Write all of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--full", action="store_true")
    arguments = parser.parse_args()
    for name, (architecture, small, stated) in NETWORKS.items():
        if small is None and not arguments.full:
            continue
        torch.manual_seed(0)
        timm.layers.set_fused_attn(False)
        size = {} if arguments.full else small
        network = timm.create_model(architecture, num_classes=0, **size).eval()
        side = 224 if arguments.full else 32
        config = {"input_size": [3, side, side], "fixed_input_size": True, **IMAGENET, **stated}
        if not arguments.full:
            spread(network)
        transform = create_transform(**resolve_data_config({}, pretrained_cfg=config))
        images = pictures(5 if arguments.full else 1)
        pixels = torch.stack([transform(Image.fromarray(image)) for image in images])
        folder = arguments.folder / name
        folder.mkdir(parents=True, exist_ok=True)
        module = Outputs(Pooled(network), ["pooler_output"])
        with torch.no_grad():
            vectors = module(pixels)[0].numpy().copy()
        export_onnx(name, module, pixels, folder / "model.onnx")
        fields = {"architecture": architecture, "num_classes": 0, "pretrained_cfg": config}
        (folder / "config.json").write_text(json.dumps(fields, indent=2) + "\n", encoding="utf-8")
        shown = {f"image_{i}": image for i, image in enumerate(images)}
        arrays = {"pixels": pixels, "pooler_output": vectors, **shown}
        np.savez_compressed(folder / "expected.npz", **arrays)


if __name__ == "__main__":
    main()
