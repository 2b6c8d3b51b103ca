"""The part `panel` of `solver.py`: kinds of data on which scikit-learn's defaults stop early."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.svm import LinearSVC
from solver_heads import timed

from featx.classifiers.heads.linear.solver import solve_path

Data = tuple[np.ndarray, np.ndarray]
GRID = (1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 0.1, 0.3, 1.0)
HINGE_GRID = (1e-3, 1e-2)


def clusters(n: int, d: int, k: int, distance: float = 0.2) -> Data:
    """Make separable classes: one centre each, and noise of unit variance."""
    generator = np.random.default_rng(0)
    y = generator.integers(0, k, n)
    y[:k] = np.arange(k)
    centres = generator.standard_normal((k, d), dtype=np.float32) * np.float32(distance)
    return centres[y] + generator.standard_normal((n, d), dtype=np.float32), y


def unbalanced() -> Data:
    X, y = clusters(12_000, 1280, 10, 0.1)
    keep = (y < 2) | (np.random.default_rng(1).random(len(y)) < 0.05)
    return X[keep], y[keep]


def unscaled() -> Data:
    X, y = clusters(4000, 512, 5)
    return X * np.geomspace(0.1, 10, X.shape[1], dtype=np.float32) + 3, y


def repeated_columns() -> Data:
    X, y = clusters(4000, 512, 5)
    return np.concatenate([X, X, np.ones((len(X), 64), np.float32)], axis=1), y


def flattened() -> Data:
    """Mostly zeros, as flattened maps after a ReLU."""
    X, y = clusters(1000, 12_544, 5, 0.1)
    return np.maximum(X - 1, 0), y


def rows(
    X: np.ndarray, y: np.ndarray, scaled: Callable[[np.ndarray], np.ndarray]
) -> dict[str, Any]:
    """Return makers of data by name; the first ones are cut from the features of 10 classes."""

    def cut(n: int, classes: tuple[int, ...] = ()) -> Data:
        index = np.flatnonzero(np.isin(y, classes)) if classes else np.arange(len(y))
        labels = np.unique(y[index[:n]], return_inverse=True)[1]
        return scaled(np.asarray(X[index[:n]])), labels

    return {
        "500": lambda: cut(500),
        "2,000": lambda: cut(2000),
        "8,000": lambda: cut(8000),
        "12,000, two classes (1, 8)": lambda: cut(12_000, (1, 8)),
        "12,000, two classes (2, 6)": lambda: cut(12_000, (2, 6)),
        "24,000, four classes (0, 1, 8, 9)": lambda: cut(24_000, (0, 1, 8, 9)),
        "20,000 × 1,280, ten separable": lambda: clusters(20_000, 1280, 10),
        "12,000 × 1,280, two separable": lambda: clusters(12_000, 1280, 2),
        "20,000 × 1,280, 133 classes": lambda: clusters(20_000, 1280, 133),
        "30,000 × 1,280, 1,000 classes": lambda: clusters(30_000, 1280, 1000),
        "500 × 2,048, few rows": lambda: clusters(500, 2048, 10),
        "unbalanced, 10 classes": unbalanced,
        "unscaled, 4,000 × 512": unscaled,
        "duplicate and constant columns": repeated_columns,
        "flattened maps, 1,000 × 12,544": flattened,
    }


def panel(makers: dict[str, Any], only: list[str], repeats: int) -> list[dict[str, Any]]:
    """Run every row in turns and print its ratios; peers run at their defaults."""
    print(
        f"| data | path | C=1 | squared hinge | ({os.cpu_count()} cores)\n|---|---|---|---|",
        flush=True,
    )
    results = []
    for name, make in makers.items():
        if only and not any(word in name for word in only):
            continue
        X, y = make()
        many = int(y.max()) >= 100
        row: dict[str, Any] = {"data": name, "one": compare(X, y, (0.1 if many else 1.0,), repeats)}
        if not many:
            row["path"] = compare(X, y, GRID, repeats)
            row["hinge"] = compare(X, y, HINGE_GRID, repeats, "squared_hinge")
        results.append(row)
        cells = [_cell(row.get(part)) for part in ("path", "one", "hinge")]
        print("| " + " | ".join([name, *cells]) + " |", flush=True)
    return results


def compare(
    X: np.ndarray, y: np.ndarray, grid: tuple[float, ...], repeats: int, loss: str = "logistic"
) -> dict[str, Any]:
    """Return medians of seconds, ours and the peer's in turn, and of their ratio."""
    rounds = []
    for _ in range(repeats):
        ours, result = timed(lambda: solve_path(X, y, grid, loss))
        peer, _ = timed(lambda: [_peer(loss, C).fit(X, y) for C in grid])
        rounds.append((ours, peer, peer / ours))
    ours, peer, ratio = np.median(rounds, axis=0).tolist()
    return {
        "featx": ours,
        "sklearn": peer,
        "ratio": ratio,
        "n_iter": result.n_iter.tolist(),
        "converged": bool(result.converged.all()),
    }


def _peer(loss: str, C: float) -> Any:
    return LogisticRegression(C=C) if loss == "logistic" else LinearSVC(C=C, dual=False)


def _cell(timing: dict[str, Any] | None) -> str:
    if timing is None:
        return "–"
    return f"{timing['sklearn']:.2f} / {timing['featx']:.2f} s = {timing['ratio']:.1f}×"
