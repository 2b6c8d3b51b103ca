"""How far fast formats are from float32 on the calibration set, for every backbone.

python benchmarks/precision_table.py [--backbones a,b] [--formats bfloat16] [--out F]

Networks whose ImageNet weights are on this machine are measured with them, all others with random
ones, which says little of trained networks: the table marks them. The processor must compute the
format; whether it does so faster than float32 is another matter, which the rates show.
"""

from __future__ import annotations

import argparse
import gc
import json
import time
from pathlib import Path
from typing import Any

import numpy as np

from featx import FeatureOptions
from featx.cache.errors import FeatxError
from featx.extractor.backbones import BACKBONES, IMAGENET, find_backbone
from featx.extractor.backbones.weights import weights_present
from featx.extractor.engines import run_rows
from featx.extractor.machine.hardware import this_machine
from featx.extractor.plan import Plan, make_plan
from featx.extractor.precision.calibration import calibration_images, calibration_names
from featx.extractor.precision.drift import CALIBRATION_SHARE, MAX_DRIFT, cosines, measure

BATCH_SIZE = 8
NO_NETWORK = ("pixels",)


def plan_of(backbone: str) -> Plan:
    """Return a plan with real weights where they are here, else with random ones."""
    is_here = weights_present(find_backbone(backbone))
    weights = IMAGENET if is_here else "random:0"
    return make_plan(FeatureOptions(backbone=backbone, weights=weights, precision="float32"))


def rows_and_rate(plan: Plan, precision: str, images: Any) -> tuple[Any, float]:
    """Return the features, and images/s of this one pass."""
    engine = plan.with_precision(precision).build_engine(BATCH_SIZE, "openvino")
    run_rows(engine, images[:BATCH_SIZE])
    start = time.perf_counter()
    rows = run_rows(engine, images)
    return rows, len(images) / (time.perf_counter() - start)


def row_of(backbone: str, formats: list[str]) -> dict[str, Any]:
    """Measure one network."""
    plan = plan_of(backbone)
    images = calibration_images(plan.network.image_size)
    kinds = np.array([name.split("-")[0] for name in calibration_names()])
    exact, rate = rows_and_rate(plan, "float32", images)
    row: dict[str, Any] = {
        "backbone": backbone,
        "weights": "random" if plan.weights.path is None else "imagenet",
        "image_size": plan.network.image_size[0],
        "float32_images_per_second": rate,
    }
    for precision in formats:
        fast, rate = rows_and_rate(plan, precision, images)
        drift = measure(precision, fast, exact)
        each = cosines(fast[0], exact[0])
        row[precision] = {
            **drift.to_dict(),
            "keeps_the_contract": drift.within(CALIBRATION_SHARE * MAX_DRIFT),
            "median_by_kind": {k: float(np.median(each[kinds == k])) for k in np.unique(kinds)},
            "images_per_second": rate,
        }
    return row


def line_of(row: dict[str, Any], precision: str) -> str:
    """Return one line of the table."""
    if "error" in row:
        return f"| {row['backbone']} | | | | | | {row['error']} |"
    fast = row[precision]
    kept = "yes" if fast["keeps_the_contract"] else "no"
    speedup = fast["images_per_second"] / row["float32_images_per_second"]
    return (
        f"| {row['backbone']} | {row['weights']} | {row['image_size']} | {fast['median']:.5f} | "
        f"{fast['worst']:.5f} | {kept} | {speedup:.1f} |"
    )


def main() -> None:
    """Measure, print the table, and keep the figures after each network."""
    parser = argparse.ArgumentParser(description=__doc__)
    networks = [name for name in BACKBONES if name not in NO_NETWORK]
    parser.add_argument("--backbones", default=",".join(networks))
    parser.add_argument("--formats", default="bfloat16")
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    formats = args.formats.split(",")
    machine = this_machine()
    print(f"{machine.cpu}, {machine.n_cores} cores, {len(calibration_names())} pictures")
    print("| backbone | weights | size | median | worst | kept | times float32's speed |")
    print("|---|---|---|---|---|---|---|")
    rows = []
    for backbone in args.backbones.split(","):
        try:
            rows.append(row_of(backbone, formats))
        except (FeatxError, MemoryError) as error:
            rows.append({"backbone": backbone, "error": str(error)})
        print(line_of(rows[-1], formats[0]), flush=True)
        gc.collect()
        if args.out:
            figures = {"processor": machine.kind, "n_cores": machine.n_cores, "rows": rows}
            args.out.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
