"""The nearest images by FAISS, exactly.

    featx cache export features.safetensors
    python nearest_faiss.py features.safetensors

Needs faiss-cpu, safetensors.
"""

from __future__ import annotations

import json
import sys

import faiss
import numpy as np
from safetensors import safe_open


def main(path: str) -> None:
    with safe_open(path, "numpy") as file:
        X = file.get_tensor("X").astype(np.float32)
        ids = json.loads(file.metadata()["sample_ids"])
    faiss.normalize_L2(X)
    index = faiss.IndexFlatIP(X.shape[1])
    index.add(X)
    cosines, rows = index.search(X[:1], 6)
    for cosine, row in zip(cosines[0], rows[0], strict=True):
        print(f"{cosine:.4f}\t{ids[row]}")


if __name__ == "__main__":
    main(*sys.argv[1:])
