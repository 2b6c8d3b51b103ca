"""The PyTorch user's recipe: bfloat16, channels last, a DataLoader with a worker for each core.

python benchmarks/peer_torch.py FOLDER BACKBONE N_IMAGES OUT.npy

It needs nothing but PyTorch and Pillow. Weights are random: the same time.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader, Dataset

BATCH_SIZE = 32
SIDE = 224
MEAN = torch.tensor((0.485, 0.456, 0.406)).view(3, 1, 1)
STD = torch.tensor((0.229, 0.224, 0.225)).view(3, 1, 1)
VGG19 = (64, 64, 0, 128, 128, 0, *(256,) * 4, 0, *(512,) * 4, 0, *(512,) * 4, 0)
MOBILENET = (64, (128, 2), 128, (256, 2), 256, (512, 2), *(512,) * 5, (1024, 2), 1024)
RESNET50 = ((64, 3, 1), (128, 4, 2), (256, 6, 2), (512, 3, 2))


class Photographs(Dataset):
    """Files, decoded and normalised."""

    def __init__(self, paths: list[Path]) -> None:
        self.paths = paths

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> torch.Tensor:
        picture = Image.open(self.paths[index]).convert("RGB")
        pixels = np.array(picture.resize((SIDE, SIDE), Image.Resampling.BILINEAR))
        return (torch.from_numpy(pixels).permute(2, 0, 1).float() / 255 - MEAN) / STD


def unit(n_in: int, n_out: int, kernel: int, stride: int = 1, groups: int = 1) -> nn.Sequential:
    """Return a convolution with its batch norm."""
    padding = kernel // 2
    convolution = nn.Conv2d(n_in, n_out, kernel, stride, padding, groups=groups, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(n_out))


class Bottleneck(nn.Module):
    """ResNet's block of three convolutions."""

    def __init__(self, n_in: int, n_mid: int, stride: int) -> None:
        super().__init__()
        n_out = 4 * n_mid
        narrow, wide = unit(n_in, n_mid, 1), unit(n_mid, n_mid, 3, stride)
        self.branch = nn.Sequential(narrow, nn.ReLU(), wide, nn.ReLU(), unit(n_mid, n_out, 1))
        is_same = stride == 1 and n_in == n_out
        self.shortcut = nn.Identity() if is_same else unit(n_in, n_out, 1, stride)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.branch(x) + self.shortcut(x))


def resnet50() -> list[nn.Module]:
    """Return ResNet50's layers up to its last map."""
    layers: list[nn.Module] = [unit(3, 64, 7, 2), nn.ReLU(), nn.MaxPool2d(3, 2, 1)]
    n_in = 64
    for n_mid, n_blocks, first_stride in RESNET50:
        for number in range(n_blocks):
            layers.append(Bottleneck(n_in, n_mid, first_stride if number == 0 else 1))
            n_in = 4 * n_mid
    return layers


def vgg19() -> list[nn.Module]:
    """Return VGG19's layers up to its last map."""
    layers: list[nn.Module] = []
    n_in = 3
    for n_out in VGG19:
        if n_out:
            layers += [nn.Conv2d(n_in, n_out, 3, padding=1), nn.ReLU()]
            n_in = n_out
        else:
            layers.append(nn.MaxPool2d(2))
    return layers


def mobilenet() -> list[nn.Module]:
    """Return MobileNet's layers up to its last map."""
    layers: list[nn.Module] = [unit(3, 32, 3, 2), nn.ReLU6()]
    n_in = 32
    for block in MOBILENET:
        n_out, stride = block if isinstance(block, tuple) else (block, 1)
        layers += [unit(n_in, n_in, 3, stride, n_in), nn.ReLU6(), unit(n_in, n_out, 1), nn.ReLU6()]
        n_in = n_out
    return layers


def main() -> None:
    """Write the features of the first images."""
    folder, backbone, n_images, out = sys.argv[1:]
    n_cores = len(os.sched_getaffinity(0))
    torch.set_num_threads(n_cores)
    paths = sorted(Path(folder).rglob("*.jpg"))[: int(n_images)]
    layers = {"resnet50": resnet50, "vgg19": vgg19, "mobilenet": mobilenet}[backbone]()
    network = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten()).eval()
    network = network.to(torch.bfloat16, memory_format=torch.channels_last)
    rows = []
    with torch.inference_mode():
        for batch in DataLoader(Photographs(paths), BATCH_SIZE, num_workers=n_cores):
            x = batch.to(torch.bfloat16).contiguous(memory_format=torch.channels_last)
            rows.append(network(x).float().numpy())
    np.save(Path(out), np.concatenate(rows))


if __name__ == "__main__":
    main()
