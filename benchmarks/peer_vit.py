"""The PyTorch user's recipe for ViT-B/16: bfloat16, fused attention, a worker for each core.

python benchmarks/peer_vit.py FOLDER N_IMAGES OUT.npy     the features of the first images
python benchmarks/peer_vit.py --alone SECONDS [BATCH]     images/s on pixels in memory

Needs torch, transformers and Pillow. Weights are random: the same time.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import numpy as np
import torch
from peer_torch import BATCH_SIZE, SIDE, Photographs
from torch.utils.data import DataLoader
from transformers import ViTConfig, ViTModel


def make_network() -> ViTModel:
    """Return ViT-B/16 in bfloat16 with PyTorch's fused attention."""
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    network = ViTModel(ViTConfig(attn_implementation="sdpa")).eval()
    return network.to(torch.bfloat16)


def alone(seconds: float, batch_size: int) -> float:
    """Return images/s of the network on pixels in memory, after a warm-up."""
    network = make_network()
    pixels = torch.randn(batch_size, 3, SIDE, SIDE, dtype=torch.bfloat16)
    network(pixel_values=pixels)
    start, n_images = time.perf_counter(), 0
    while time.perf_counter() - start < seconds:
        network(pixel_values=pixels)
        n_images += batch_size
    return n_images / (time.perf_counter() - start)


def main() -> None:
    """Write features, or print a rate."""
    with torch.inference_mode():
        if sys.argv[1] == "--alone":
            batch_size = int(sys.argv[3]) if len(sys.argv) > 3 else BATCH_SIZE
            print(alone(float(sys.argv[2]), batch_size))
            return
        folder, n_images, out = sys.argv[1:]
        paths = sorted(Path(folder).rglob("*.jpg"))[: int(n_images)]
        network, n_workers = make_network(), len(os.sched_getaffinity(0))
        rows = []
        for batch in DataLoader(Photographs(paths), BATCH_SIZE, num_workers=n_workers):
            outputs = network(pixel_values=batch.to(torch.bfloat16))
            rows.append(outputs.pooler_output.float().numpy())
        np.save(Path(out), np.concatenate(rows))


if __name__ == "__main__":
    main()
