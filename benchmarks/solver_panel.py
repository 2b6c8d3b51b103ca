"""The part `panel` of `solver.py`: kinds of data on which scikit-learn's defaults stop early."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.svm import LinearSVC
from solver_heads import timed

from featx.classifiers.heads.linear.solver import solve_path


class Data(NamedTuple):
    """Features, classes from 0 on, and weights of the samples."""

    X: np.ndarray
    y: np.ndarray
    weight: np.ndarray | None = None


GRID = (1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 0.1, 0.3, 1.0)
HINGE_GRID = (1e-3, 1e-2)
PEER_TOLS = (1e-4, 1e-5, 1e-6, 1e-7, 1e-8, 1e-9)
SLACK = 1e-4
"""How far, relative, a peer may stay above our objective and count as having reached it."""


def clusters(n: int, d: int, k: int, distance: float = 0.2) -> Data:
    """Make separable classes: one centre each, and noise of unit variance."""
    generator = np.random.default_rng(0)
    y = generator.integers(0, k, n)
    y[:k] = np.arange(k)
    centres = generator.standard_normal((k, d), dtype=np.float32) * np.float32(distance)
    return Data(centres[y] + generator.standard_normal((n, d), dtype=np.float32), y)


def unbalanced() -> Data:
    X, y, _ = clusters(12_000, 1280, 10, 0.1)
    keep = (y < 2) | (np.random.default_rng(1).random(len(y)) < 0.05)
    return Data(X[keep], y[keep])


def unscaled() -> Data:
    X, y, _ = clusters(4000, 512, 5)
    return Data(X * np.geomspace(0.1, 10, X.shape[1], dtype=np.float32) + 3, y)


def repeated_columns() -> Data:
    X, y, _ = clusters(4000, 512, 5)
    return Data(np.concatenate([X, X, np.ones((len(X), 64), np.float32)], axis=1), y)


def flattened() -> Data:
    """Mostly zeros, as flattened maps after a ReLU."""
    X, y, _ = clusters(1000, 12_544, 5, 0.1)
    return Data(np.maximum(X - 1, 0), y)


def weighted(data: Data) -> Data:
    """Give samples weights between 0.1 and 10."""
    weight = np.random.default_rng(2).choice([0.1, 1.0, 10.0], len(data.y))
    return data._replace(weight=weight)


def rows(
    X: np.ndarray, y: np.ndarray, scaled: Callable[[np.ndarray], np.ndarray]
) -> dict[str, Any]:
    """Return makers of data by name; the first ones are cut from the features of 10 classes."""

    def cut(n: int, classes: tuple[int, ...] = ()) -> Data:
        index = np.flatnonzero(np.isin(y, classes)) if classes else np.arange(len(y))
        labels = np.unique(y[index[:n]], return_inverse=True)[1]
        return Data(scaled(np.asarray(X[index[:n]])), labels)

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
        "weights of 0.1 to 10, 8,000": lambda: weighted(cut(8000)),
        "flattened maps, 1,000 × 12,544": flattened,
    }


def panel(
    makers: dict[str, Any], only: list[str], repeats: int, parts: list[str], same: bool
) -> list[dict[str, Any]]:
    """Run every row in turns and print its ratios; peers run at their defaults.

    With ``same`` the peer runs once more, at the loosest tolerance that reaches our objective.
    """
    print(
        f"| data | path | C=1 | squared hinge | objective over the peer's, at most "
        f"({os.cpu_count()} cores) |\n|---|---|---|---|---|",
        flush=True,
    )
    results = []
    for name, make in makers.items():
        if only and not name.startswith(tuple(only)):
            continue
        data = make()
        many = int(data.y.max()) >= 100
        measures: dict[str, Callable[[], dict[str, Any]]] = {
            "one": partial(compare, data, (0.1 if many else 1.0,), repeats, same=same),
        }
        if many:
            measures["small"] = partial(compare, data, (1e-3,), repeats, same=same)
        else:
            # The peer's path takes minutes: one round.
            measures["path"] = partial(compare, data, GRID, 1, same=same)
            measures["hinge"] = partial(compare, data, HINGE_GRID, 1, "squared_hinge", same)
        row: dict[str, Any] = {"data": name}
        row |= {part: run() for part, run in measures.items() if not parts or part in parts}
        results.append(row)
        one = _cell(row.get("one"))
        if many:
            one = f"C=0.1: {one}; C=1e-3: {_cell(row.get('small'))}"
        cells = [_cell(row.get("path")), one, _cell(row.get("hinge"))]
        gaps = [
            f"{row[part]['gap']:+.0e}" for part in ("path", "one", "small", "hinge") if part in row
        ]
        print("| " + " | ".join([name, *cells, ", ".join(gaps)]) + " |", flush=True)
    return results


def compare(
    data: Data,
    grid: tuple[float, ...],
    repeats: int,
    loss: str = "logistic",
    same: bool = False,
) -> dict[str, Any]:
    """Return medians of seconds, ours and the peer's in turn, and of their ratio."""
    X, y, weight = data
    rounds = []
    for _ in range(repeats):
        before = _processor_seconds()
        ours, result = timed(lambda: solve_path(X, y, grid, loss, weight))
        between = _processor_seconds()
        peer, fits = timed(lambda: [_peer(loss, C).fit(X, y, weight) for C in grid])
        own, theirs = between - before, _processor_seconds() - between
        rounds.append((ours, peer, peer / ours, own, theirs))
    ours, peer, ratio, own, theirs = np.median(rounds, axis=0).tolist()
    reached = [
        objective(data, (result.coef[i], result.intercept[i]), C, loss) for i, C in enumerate(grid)
    ]
    gaps = [
        reached[i] / objective(data, (fits[i].coef_, fits[i].intercept_), C, loss) - 1
        for i, C in enumerate(grid)
    ]
    more = {"same": same_objective(data, grid, loss, reached)} if same else {}
    return {
        **more,
        "featx": ours,
        "sklearn": peer,
        "ratio": ratio,
        "processor": {"featx": own, "sklearn": theirs},
        "gap": max(gaps),
        "gaps": gaps,
        "n_iter": result.n_iter.tolist(),
        "converged": bool(result.converged.all()),
    }


def objective(data: Data, fit: tuple[Any, Any], C: float, loss: str) -> float:
    """Return the objective in float64, by blocks of rows; the intercept is not penalised."""
    coef, intercept = (np.asarray(part, dtype=np.float64) for part in fit)
    weight = np.ones(len(data.y)) if data.weight is None else data.weight
    classes = np.arange(len(coef)) if len(coef) > 1 else np.ones(1, np.int64)
    total = 0.0
    for start in range(0, len(data.X), 4096):
        rows = slice(start, start + 4096)
        z = data.X[rows].astype(np.float64) @ coef.T + intercept
        sign = np.where(data.y[rows, None] == classes, 1, -1)
        if loss == "squared_hinge":
            losses = (np.maximum(1 - sign * z, 0) ** 2).sum(axis=1)
        elif len(coef) == 1:
            losses = np.logaddexp(0, -sign * z)[:, 0]
        else:
            losses = np.logaddexp.reduce(z, axis=1) - z[np.arange(len(z)), data.y[rows]]
        total += float(weight[rows] @ losses)
    return float(C * total + 0.5 * (coef**2).sum())


def same_objective(
    data: Data, grid: tuple[float, ...], loss: str, reached: list[float]
) -> dict[str, Any]:
    """Return the peer's seconds, each C at the loosest tolerance that reaches our objective."""
    X, y, weight = data
    seconds, tols = 0.0, []
    for C, ours in zip(grid, reached, strict=True):
        for tol in PEER_TOLS:
            model = _peer(loss, C).set_params(tol=tol, max_iter=20_000)
            took, fit = timed(partial(model.fit, X, y, weight))
            if objective(data, (fit.coef_, fit.intercept_), C, loss) <= ours * (1 + SLACK):
                break
        seconds += took
        tols.append(tol)
    return {"sklearn": seconds, "tols": tols}


def _peer(loss: str, C: float) -> Any:
    return LogisticRegression(C=C) if loss == "logistic" else LinearSVC(C=C, dual="auto")


def _cell(timing: dict[str, Any] | None) -> str:
    if timing is None:
        return "–"
    own = timing["processor"]
    same = ""
    if "same" in timing:
        seconds = timing["same"]["sklearn"]
        same = f"; same objective {seconds:.2f} s = {seconds / timing['featx']:.1f}×"
    return (
        f"{timing['sklearn']:.2f} / {timing['featx']:.2f} s = {timing['ratio']:.1f}× "
        f"({own['sklearn']:.2f} / {own['featx']:.2f} s of the processor){same}"
    )


def _processor_seconds() -> float:
    times = os.times()
    return times.user + times.system
