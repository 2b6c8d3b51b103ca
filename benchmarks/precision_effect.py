"""What bfloat16 features do to the heads, on Fashion-MNIST with the embedded backbone.

python benchmarks/precision_effect.py FOLDER --work DIR [--train 60000] [--heads logreg] [--out F]

FOLDER holds the four gzipped IDX files of the full Fashion-MNIST. Features are extracted in float32
and in bfloat16 into a cache in DIR, where a second run finds them; every head is fitted on both
with the same rows, and judged on the test split.
"""

from __future__ import annotations

import argparse
import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np

PRECISIONS = ("float32", "bfloat16")
C = 0.01


def cut(folder: Path, out: Path, n_train: int) -> Path:
    """Copy the test split and the first rows of the train split; the rows are shuffled already."""
    out.mkdir(parents=True, exist_ok=True)
    for part, n in (("train", n_train), ("t10k", 10_000)):
        for kind, row_bytes, dims in (("images-idx3", 28 * 28, 3), ("labels-idx1", 1, 1)):
            content = gzip.decompress((folder / f"{part}-{kind}-ubyte.gz").read_bytes())
            start = 4 + 4 * dims
            header = content[:4] + n.to_bytes(4, "big") + content[8:start]
            rows = content[start : start + n * row_bytes]
            (out / f"{part}-{kind}-ubyte").write_bytes(header + rows)
    return out


def features(source: Path, cache: Path, precision: str) -> tuple[Any, Any]:
    """Extract, and return training and test rows."""
    from featx import FeatureOptions, FeatureStore
    from featx.extractor import extract_features

    report = extract_features(source, FeatureOptions(precision=precision), cache=cache)
    found = FeatureStore(cache).open_features(report.name)
    X = np.asarray(found.X)
    train, test = found.in_split("train"), found.in_split("test")
    return (X[train], found.y[train]), (X[test], found.y[test])


def heads() -> dict[str, Any]:
    """Return the heads by name, with a fixed regularisation."""
    from featx.classifiers import make_head

    return {
        "logreg": make_head("logreg", C=C),
        "linear-svm": make_head("linear-svm", C=C / 10),
        "svm": make_head("svm", C=10.0),
    }


def main() -> None:
    """Measure, print accuracies and their differences in points."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--train", type=int, default=60_000)
    parser.add_argument("--heads", nargs="+", default=["logreg", "linear-svm", "svm"])
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    found: dict[str, dict[str, float]] = {}
    source = cut(options.folder, options.work / f"fashion-{options.train}", options.train)
    data = {p: features(source, options.work / "cache", p) for p in PRECISIONS}
    for name in options.heads:
        scores = {}
        for precision, (train, test) in data.items():
            scores[precision] = 100 * heads()[name].fit(*train).score(*test)
        scores["points"] = scores["bfloat16"] - scores["float32"]
        found[name] = scores
        print(name, *(f"{key} {value:.2f}" for key, value in scores.items()), flush=True)
    if options.out:
        options.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
