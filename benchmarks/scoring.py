"""How fast scoring is: against extraction with the same backbone, and over cached features.

python benchmarks/scoring.py --work DIR [--backbone NAME] [--rows 200000] [--features 1280]

DIR needs 5.2 kB a row and is emptied at the end. Extraction and scoring of the bundled sample take
turns, each into an empty cache; the ratio is the median over the repeats. Cached rows are scored
with a linear head into each format; the best of the repeats counts.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import time
from pathlib import Path
from typing import Any

import numpy as np

import featx
from featx.cache import Listing, RunRecord, StringColumn
from featx.cache.batch import FeatureBatch
from featx.classifiers.heads.registry import make_head

SHARD_ROWS = 13_000
N_CLASSES = 10
NAMES = tuple(f"class {i}" for i in range(N_CLASSES))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--backbone", default="efficientnet_lite0")
    parser.add_argument("--precision", default="float32")
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--features", type=int, default=1280)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    try:
        result = {"images": images(options), "cached": cached(options)}
    finally:
        shutil.rmtree(options.work, ignore_errors=True)
    print(json.dumps(result, indent=1))


def images(options: argparse.Namespace) -> dict[str, Any]:
    """Time extraction and scoring of the bundled sample in turns."""
    chosen = featx.FeatureOptions(backbone=options.backbone, precision=options.precision)
    model = options.work / "model.featx"
    extract_rates, score_rates = [], []
    for turn in range(options.repeats + 1):
        cache = options.work / f"cache-{turn}"
        start = time.perf_counter()
        report = featx.extract("sample", chosen, cache=cache)
        extract_rates.append(report.record.n_samples / (time.perf_counter() - start))
        if turn == 0:
            featx.fit(options=featx.HeadOptions("ridge"), cache=cache, out=model)
        start = time.perf_counter()
        scored = featx.score(
            model, "sample", options.work / "p.parquet", cache=options.work / "none"
        )
        score_rates.append(scored.n_samples / (time.perf_counter() - start))
    # The first turn also loads Keras and converts the backbone.
    pairs = list(zip(score_rates[1:], extract_rates[1:], strict=True))
    return {
        "backbone": options.backbone,
        "extract_images_per_second": [round(rate, 1) for rate in extract_rates[1:]],
        "score_images_per_second": [round(rate, 1) for rate in score_rates[1:]],
        "ratio": round(statistics.median(s / e for s, e in pairs), 3),
    }


def cached(options: argparse.Namespace) -> dict[str, Any]:
    """Time a linear head over cached rows, into each format."""
    cache, model = options.work / "rows", linear_model(options.features)
    write_rows(featx.FeatureStore(cache), model.spec, options)
    rates: dict[str, float] = {}
    for name in ("p.parquet", "p.csv", "p.jsonl"):
        found = []
        for _ in range(options.repeats):
            start = time.perf_counter()
            featx.score(model, "features:", options.work / name, cache=cache)
            found.append(options.rows / (time.perf_counter() - start))
        rates[name.partition(".")[2]] = round(max(found))
    return {"rows": options.rows, "n_features": options.features, "rows_per_second": rates}


def linear_model(n_features: int) -> featx.Model:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(2000, n_features)).astype(np.float32)
    spec = featx.FeatureSpec(
        backbone="efficientnet_lite0",
        weights_digest="0" * 64,
        layer="top_activation",
        pool="avg",
        image_size=(224, 224),
        resize="squash",
        preprocess="lite",
    )
    head = make_head("ridge").fit(X, np.arange(len(X)) % N_CLASSES)
    return featx.Model(spec, NAMES, "ridge", head)


def write_rows(
    store: featx.FeatureStore, spec: featx.FeatureSpec, options: argparse.Namespace
) -> None:
    rng, n = np.random.default_rng(1), options.rows
    digests = rng.integers(0, 256, (n, 32), np.uint8)
    for start in range(0, n, SHARD_ROWS):
        part = digests[start : start + SHARD_ROWS]
        X = rng.standard_normal((len(part), options.features), np.float32)
        store.write_rows(spec, [FeatureBatch(part, X)])
    names = StringColumn.from_strings(f"images/{i:08d}.jpg" for i in range(n))
    splits = np.full(n, -1, np.int8)
    listing = Listing(names, rng.integers(0, N_CLASSES, n), splits, None, NAMES)
    stamps = np.zeros((n, 3), np.int64)
    store.write_manifest(
        featx.Manifest("rows", "random numbers", listing, digests, stamps, time.time_ns())
    )
    store.write_run(RunRecord("rows", spec.fingerprint, time.time_ns(), n, n, 0, 0, 1.0, ""))


if __name__ == "__main__":
    main()
