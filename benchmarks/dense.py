"""A grid of dense heads trained together against the same heads one by one, in one run.

    python benchmarks/dense.py --features X.npy --labels y.npy --rows 20000 --out dense.json

The last tenth of the rows is watched for early stopping. Without ``--features`` it makes features
of its own. Ratios are of wall time and of the processor's time; the second stays meaningful on a
machine that does other work. ``together`` and ``alone`` must agree: the largest difference of
their probabilities is in the JSON.
"""

from __future__ import annotations

import argparse
import json
import resource
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.base import clone

from featx.classifiers.heads.dense.dense_head import DenseHead
from featx.classifiers.heads.joint_fit import fit_many

PRESETS = ("softmax", "dropout", "mlp")
RATES = (3e-4, 1e-3, 3e-3)


def main() -> None:
    args = parse()
    X, y = load(args)
    n_train = len(X) - len(X) // 10
    train, watched = (X[:n_train], y[:n_train]), (X[n_train:], y[n_train:])
    heads = [
        DenseHead(preset, lr=lr, epochs=args.epochs) for preset in args.presets for lr in RATES
    ]
    DenseHead("softmax", epochs=1).fit(*train)
    results: dict[str, Any] = {"rows": len(X), "features": X.shape[1], "epochs": args.epochs}
    together, results["together"] = timed(lambda: fit_many([clone(head) for head in heads], *train))
    results["alone"], found = [], []
    for head in heads:
        fitted, seconds = timed(lambda h=head: clone(h).fit(*train))
        found.append(fitted)
        results["alone"].append({**seconds, "preset": head.preset, "lr": head.lr})
        print(head.preset, head.lr, fitted.n_iter_, "epochs", seconds, flush=True)
    report(results, together, found, watched[0])
    if args.out:
        args.out.write_text(json.dumps(results, indent=2))


def report(results: dict[str, Any], together: list[Any], alone: list[Any], X: np.ndarray) -> None:
    for kind in ("wall_seconds", "cpu_seconds"):
        total = sum(part[kind] for part in results["alone"])
        slowest = max(part[kind] for part in results["alone"])
        results[kind] = {
            "alone_over_together": total / results["together"][kind],
            "together_over_slowest_alone": results["together"][kind] / slowest,
        }
        print(kind, results["together"][kind], "against", total, results[kind])
    differences = [
        float(np.abs(a.predict_proba(X) - b.predict_proba(X)).max())
        for a, b in zip(together, alone, strict=True)
    ]
    same = [
        float(np.mean(a.predict(X) == b.predict(X))) for a, b in zip(together, alone, strict=True)
    ]
    results["same_epochs"] = [a.n_iter_ == b.n_iter_ for a, b in zip(together, alone, strict=True)]
    results["largest_difference"], results["same_predictions"] = differences, same
    print("largest difference of a probability", max(differences), "same predictions", min(same))


def timed(work: Callable[[], Any]) -> tuple[Any, dict[str, float]]:
    before, start = cpu_seconds(), time.perf_counter()
    result = work()
    wall = time.perf_counter() - start
    return result, {"wall_seconds": wall, "cpu_seconds": cpu_seconds() - before}


def cpu_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--features", type=Path)
    parser.add_argument("--labels", type=Path)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--presets", nargs="+", choices=PRESETS, default=PRESETS)
    parser.add_argument("--quick", action="store_true", help="3,000 rows, 5 epochs")
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    if args.quick:
        args.rows, args.epochs = min(args.rows, 3000), 5
    return args


def load(args: argparse.Namespace) -> tuple[np.ndarray, np.ndarray]:
    if args.features:
        X, y = np.load(args.features, mmap_mode="r"), np.load(args.labels)
        return np.asarray(X[: args.rows], np.float32), np.asarray(y[: args.rows], np.int64)
    rng = np.random.default_rng(0)
    y = rng.integers(0, 10, args.rows)
    X = rng.standard_normal((args.rows, 1280), np.float32) * 4
    X += rng.standard_normal((10, 1280)).astype(np.float32)[y]
    return X, y


if __name__ == "__main__":
    main()
