"""Make this folder's backbones: real architectures with random weights, exported by PyTorch.

Each lies beside its processor, with the features that PyTorch computes of some pictures.
``python make.py FOLDER`` writes the small ones of the tests, with ``--full`` the published sizes.
Needs torch, transformers, onnx and onnxscript.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import onnx
import torch
import transformers as hf
from PIL import Image
from transformers.models.bit.image_processing_pil_bit import BitImageProcessorPil
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.models.convnext.image_processing_pil_convnext import ConvNextImageProcessorPil
from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil
from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

IMAGENET = {"image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]}
OUTPUTS = ("image_embeds", "last_hidden_state", "pooler_output")
SHAPES = ((60, 90), (97, 41), (33, 50))
FREE_SIDES = {"pixel_values": {0: "batch_size", 1: "num_channels", 2: "height", 3: "width"}}
SCRIPTED = ("vit", "clip", "regnet")
"""Exported by TorchScript, as most published files are; the others by torch.export."""


def models(full: bool) -> dict[str, tuple]:
    """Return the networks with their processors."""
    side = 224 if full else 32
    small = {
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 64,
        "image_size": side,
        "patch_size": 8,
    }
    size = {} if full else small
    dino = {"hidden_size": 384, "num_attention_heads": 6, "image_size": 518, "patch_size": 14}
    square, shortest = {"height": side, "width": side}, {"shortest_edge": side}
    mapped = {} if full else {"depths": [1, 1, 1, 1]}
    convnext = {} if full else {"hidden_sizes": [8, 16, 24, 32]}
    regnet = {} if full else {"embedding_size": 8, "hidden_sizes": [8, 16, 16, 32]}
    group = {} if full else {"groups_width": 8}
    return {
        "vit": (
            hf.ViTModel(hf.ViTConfig(**size)),
            ViTImageProcessorPil(size=square, resample=2),
        ),
        "dinov2": (
            hf.Dinov2WithRegistersModel(
                hf.Dinov2WithRegistersConfig(
                    **(dino if full else {**small, "image_size": 320, "mlp_ratio": 2})
                )
            ),
            BitImageProcessorPil(
                size={"shortest_edge": side * 256 // 224}, crop_size=square, **IMAGENET
            ),
        ),
        "clip": (
            hf.CLIPVisionModelWithProjection(
                hf.CLIPVisionConfig(**size, projection_dim=512 if full else 16)
            ),
            CLIPImageProcessorPil(size=shortest, crop_size=square),
        ),
        "siglip": (
            hf.SiglipVisionModel(hf.SiglipVisionConfig(**size)),
            SiglipImageProcessorPil(size=square),
        ),
        "convnextv2": (
            hf.ConvNextV2Model(hf.ConvNextV2Config(**mapped, **convnext)),
            ConvNextImageProcessorPil(size=shortest, **IMAGENET),
        ),
        "regnet": (
            hf.RegNetModel(hf.RegNetConfig(**mapped, **regnet, **group)),
            ConvNextImageProcessorPil(size=shortest, **IMAGENET),
        ),
    }


class Outputs(torch.nn.Module):
    """A network that gives its outputs as a tuple."""

    def __init__(self, network: torch.nn.Module, names: list[str]) -> None:
        super().__init__()
        self.network, self.names = network, names

    def forward(self, pixel_values: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Return the outputs."""
        outputs = self.network(pixel_values=pixel_values)
        return tuple(outputs[name] for name in self.names)


def pictures(factor: int) -> list[np.ndarray]:
    """Return pictures with edges and noise, as uint8."""
    rng = np.random.default_rng(5)
    drawn = []
    for height, width in SHAPES:
        y, x = np.mgrid[0 : height * factor, 0 : width * factor]
        planes = [127 + 100 * np.sin(x / 7 + c) + 27 * np.cos(y / 5 * (c + 1)) for c in range(3)]
        noisy = np.stack(planes, -1) + rng.normal(0, 20, (*x.shape, 3))
        drawn.append(np.clip(noisy, 0, 255).astype(np.uint8))
    return drawn


def spread(network: torch.nn.Module) -> None:
    """Give the weights variances with which every layer shows in the features."""
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.2)
            module.running_var.uniform_(0.5, 1.5)
    with torch.no_grad():
        for weights in network.parameters():
            if weights.ndim > 1:
                weights.normal_(0, float(np.prod(weights.shape[1:])) ** -0.5)


def export(name: str, module: Outputs, pixels: torch.Tensor, path: Path) -> None:
    """Export a network with a free batch; no trace of this machine stays in the file."""
    if name in SCRIPTED:
        how = {"dynamo": False, "dynamic_axes": FREE_SIDES}
    else:
        shapes = {"pixel_values": {0: torch.export.Dim("batch")}}
        how = {"dynamo": True, "dynamic_shapes": shapes, "external_data": name == "siglip"}
    names = {"input_names": ["pixel_values"], "output_names": module.names}
    torch.onnx.export(module, (pixels[:2],), path, opset_version=18, **names, **how)
    model = onnx.load(path, load_external_data=False)
    for part in (model.graph, *model.graph.node, *model.graph.value_info, *model.graph.input):
        part.ClearField("metadata_props")
        part.ClearField("doc_string")
    onnx.save(model, path)


def main() -> None:
    """Write all of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--full", action="store_true")
    arguments = parser.parse_args()
    for name, (network, processor) in models(arguments.full).items():
        torch.manual_seed(0)
        network.eval().set_attn_implementation("eager")
        if not arguments.full:
            spread(network)
        images = pictures(5 if arguments.full else 1)
        read = [processor(Image.fromarray(image))["pixel_values"][0] for image in images]
        pixels = torch.from_numpy(np.stack(read))
        names = network(pixel_values=pixels).keys()
        module = Outputs(network, [output for output in OUTPUTS if output in names])
        folder = arguments.folder / name
        folder.mkdir(parents=True, exist_ok=True)
        with torch.no_grad():
            arrays = [output.numpy().copy() for output in module(pixels)]
        export(name, module, pixels, folder / "model.onnx")
        processor.save_pretrained(folder)
        shown = {f"image_{i}": image for i, image in enumerate(images)}
        np.savez_compressed(
            folder / "expected.npz",
            pixels=pixels,
            **shown,
            **dict(zip(module.names, arrays, strict=True)),
        )


if __name__ == "__main__":
    main()
