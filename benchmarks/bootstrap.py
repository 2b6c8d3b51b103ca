"""Bootstrap intervals: 1,000 draws of 10,000 rows × 10 classes, beside scikit-learn's metrics.

    python benchmarks/bootstrap.py [--out bootstrap.json]

scikit-learn takes one sample at a time; its seconds are those of 20 draws times 50.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from sklearn import metrics as peer

from featx.classifiers.selection.metrics import METRICS, bootstrap_draws, measure

N_ROWS, N_CLASSES, N_DRAWS, N_PEER_DRAWS, REPEATS = 10_000, 10, 1000, 20, 3
PEERS: dict[str, Callable[[np.ndarray, np.ndarray], float]] = {
    "accuracy": lambda y, P: peer.accuracy_score(y, P.argmax(axis=1)),
    "f1": lambda y, P: peer.f1_score(y, P.argmax(axis=1), average="macro"),
    "log_loss": lambda y, P: peer.log_loss(y, P, labels=range(N_CLASSES)),
    "auc": lambda y, P: peer.roc_auc_score(y, P, multi_class="ovr"),
}


def rows() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    y = rng.integers(0, N_CLASSES, N_ROWS)
    probabilities = rng.dirichlet(np.ones(N_CLASSES), N_ROWS).astype(np.float32)
    probabilities[np.arange(N_ROWS), y] += 0.5
    return y, probabilities / probabilities.sum(axis=1, keepdims=True)


def median_seconds(call: Callable[[], object]) -> float:
    seconds = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)


def peer_seconds(name: str, y: np.ndarray, probabilities: np.ndarray) -> float:
    rng = np.random.default_rng(0)
    samples = [rng.integers(0, N_ROWS, N_ROWS) for _ in range(N_PEER_DRAWS)]
    start = time.perf_counter()
    for sample in samples:
        PEERS[name](y[sample], probabilities[sample])
    return (time.perf_counter() - start) * N_DRAWS / N_PEER_DRAWS


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    y, probabilities = rows()
    names = [str(label) for label in range(N_CLASSES)]
    defined = [METRICS[name] for name in measure(y, probabilities, names).metrics]
    results: dict[str, dict[str, float]] = {}
    for name in PEERS:
        ours = median_seconds(lambda n=name: bootstrap_draws([METRICS[n]], y, probabilities))
        theirs = peer_seconds(name, y, probabilities)
        results[name] = {"featx_s": ours, "scikit_learn_s": theirs, "ratio": theirs / ours}
        print(f"{name:10} {ours:6.2f} s, scikit-learn {theirs:7.1f} s, ×{theirs / ours:.0f}")
    together = median_seconds(lambda: bootstrap_draws(defined, y, probabilities))
    results["all"] = {"featx_s": together, "n_metrics": len(defined)}
    print(f"all {len(defined)} metrics {together:.2f} s")
    if arguments.out:
        arguments.out.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
