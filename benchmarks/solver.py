"""Heads and sweeps against scikit-learn and its Intel extension, in one run.

    python benchmarks/solver.py --features X.npy --labels y.npy --rows 60000 --out solver.json

Features are standardised on the training rows; the last 10,000 rows are for testing. Without
``--features`` it makes nonnegative, correlated features of its own. Peers run at their standard
tolerance, or ``--peer-tol``, with as many iterations as they need. ``--points 4`` thins the path
to every fourth C and ``--largest-c`` ends it, for ours and for the peer. ``--parts`` chooses among
``single`` (one logistic regression), ``path`` (twelve of them), ``svm`` (twelve linear SVMs),
``rbf`` (the RBF SVM), ``panel`` (many kinds of data, peers at their defaults; ``--rows-like 8,000``
takes those whose name begins so, ``--columns one`` or ``path`` or ``hinge`` those columns, and
``--same-objective`` times the peer again at the loosest tolerance that reaches our objective) and
``sweep`` (the command ``featx sweep`` with its default grid against one fit of scikit-learn's at
each of ``--sweep-peers``); what is done is written to ``--out`` after each part.
"""

from __future__ import annotations

import argparse
import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

# Before featx: two libraries bring an oneTBB of their own, and this one takes no older version.
try:
    from sklearnex.linear_model import LogisticRegression as IntelRegression
except ImportError:
    IntelRegression = None
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.svm import LinearSVC
from solver_heads import rbf, sweep, timed
from solver_panel import panel, rows

from featx.classifiers.heads.linear.solver import solve_path

GRID = np.logspace(-5, 0, 12)
TEST_ROWS = 10_000
# On few rows LinearSVC takes minutes for a larger C.
QUICK_C = 0.02
PARTS = ("single", "path", "svm", "rbf", "panel", "sweep")


def main() -> None:
    args = parse()
    warnings.simplefilter("ignore", ConvergenceWarning)
    X, y = read(args)
    train, test = standardise(X[: args.rows], X[args.rows :])
    own = y[: args.rows]
    parts: dict[str, Callable[[], Any]] = {
        "single": lambda: [single(train, own, test, C, args) for C in (1e-3, 1e-2)],
        "path": lambda: path(train, own, test, "logistic", args),
        "svm": lambda: path(train, own, test, "squared_hinge", args),
        "rbf": lambda: rbf(train, own, test, args.repeats),
        "panel": lambda: panel(
            rows(X, y, lambda part: standardise(part, part[:1])[0]),
            args.rows_like,
            args.repeats,
            args.columns,
            args.same_objective,
        ),
        "sweep": lambda: sweep((X, y), train, args.sweep_peers),
    }
    results: dict[str, Any] = {"rows": len(train), "features": train.shape[1]}
    for name in args.parts:
        results[name] = parts[name]()
        save(args.out, results)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--features", type=Path)
    parser.add_argument("--labels", type=Path)
    parser.add_argument("--rows", type=int, default=60_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--points", type=int, default=1)
    parser.add_argument("--largest-c", type=float, default=1.0)
    parser.add_argument("--peer-tol", type=float, default=1e-4)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--rows-like", nargs="+", default=[])
    parser.add_argument("--columns", nargs="+", default=[])
    parser.add_argument("--same-objective", action="store_true")
    parser.add_argument("--sweep-peers", nargs="+", type=float, default=[1e-3, 1e-2, 1.0])
    parser.add_argument(
        "--quick", action="store_true", help="4,000 rows, every fourth C, none large"
    )
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    if args.quick:
        args.rows, args.points, args.repeats = min(args.rows, 4000), 4, 1
        args.largest_c = QUICK_C
    return args


def read(args: argparse.Namespace) -> tuple[np.ndarray, np.ndarray]:
    """Return the training rows, then the test rows, as they are."""
    if not args.features:
        return synthetic(args.rows + TEST_ROWS, 1280, 10)
    X, y = np.load(args.features, mmap_mode="r"), np.load(args.labels)
    args.rows = min(args.rows, len(X) - TEST_ROWS)
    rows = np.concatenate([np.arange(args.rows), np.arange(len(X) - TEST_ROWS, len(X))])
    return np.asarray(X[rows], dtype=np.float32), np.asarray(y[rows], dtype=np.int64)


def standardise(train: np.ndarray, test: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    mean, scale = train.mean(axis=0), train.std(axis=0)
    scale[scale == 0] = 1
    return (train - mean) / scale, (test - mean) / scale


def synthetic(n: int, d: int, k: int) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(0)
    y = generator.integers(0, k, n)
    hidden = generator.standard_normal((k, 64))[y] + 1.5 * generator.standard_normal((n, 64))
    mix = generator.standard_normal((64, d)) / 8
    noise = 0.3 * generator.standard_normal((n, d))
    return np.clip(hidden @ mix + noise, 0, 6).astype(np.float32), y


def objective(X: np.ndarray, y: np.ndarray, fit: tuple[Any, Any], C: float, loss: str) -> float:
    """Return the objective in float64, by blocks of rows."""
    coef, intercept = (np.asarray(part, dtype=np.float64) for part in fit)
    total = 0.0
    for start in range(0, len(X), 4096):
        z = X[start : start + 4096].astype(np.float64) @ coef.T + intercept
        own = y[start : start + 4096]
        if loss == "logistic":
            top = z.max(axis=1, keepdims=True)
            log_total = np.log(np.exp(z - top).sum(axis=1)) + top[:, 0]
            total += (log_total - z[np.arange(len(z)), own]).sum()
        else:
            sign = np.where(own[:, None] == np.arange(len(coef)), 1, -1)
            total += (np.maximum(1 - sign * z, 0) ** 2).sum()
    return float(C * total + 0.5 * (coef**2).sum())


def labels(X: np.ndarray, fit: tuple[Any, Any]) -> np.ndarray:
    return np.asarray((X @ fit[0].T + fit[1]).argmax(axis=1))


def peer_logistic(X: np.ndarray, y: np.ndarray, C: float, tol: float) -> tuple[Any, Any]:
    model = LogisticRegression(C=C, tol=tol, max_iter=20_000).fit(X, y)
    return model.coef_, model.intercept_


def peer_svm(X: np.ndarray, y: np.ndarray, C: float, tol: float) -> tuple[Any, Any]:
    # A large intercept_scaling comes near to an intercept without penalty, but slows the solver
    # down; 1 is scikit-learn's default and its fastest.
    model = LinearSVC(C=C, dual=False, tol=tol, max_iter=20_000).fit(X, y)
    return model.coef_, model.intercept_


def peer_intel(X: np.ndarray, y: np.ndarray, C: float, tol: float) -> tuple[Any, Any] | None:
    if IntelRegression is None:
        return None
    model = IntelRegression(C=C, tol=tol, max_iter=20_000).fit(X, y)
    return model.coef_, model.intercept_


def ours(X: np.ndarray, y: np.ndarray, C: Any, loss: str) -> Any:
    return solve_path(X, y, C, loss)


def single(
    X: np.ndarray, y: np.ndarray, test: np.ndarray, C: float, args: argparse.Namespace
) -> dict[str, Any]:
    """One fit; every repeat runs ours and the peers in turn, and ratios are paired."""
    rounds = []
    for _ in range(args.repeats):
        mine, result = timed(lambda: ours(X, y, C, "logistic"))
        sklearn, peer = timed(lambda: peer_logistic(X, y, C, args.peer_tol))
        intel, other = timed(lambda: peer_intel(X, y, C, args.peer_tol))
        rounds.append((mine, sklearn, intel) if other is not None else (mine, sklearn))
    seconds = np.array(rounds)
    ratios = np.median(seconds[:, 1:] / seconds[:, :1], axis=0).tolist()
    names = ("featx", "sklearn", "sklearnex")
    row = {
        "C": C,
        "seconds": dict(zip(names, np.median(seconds, axis=0).tolist(), strict=False)),
        "ratios": dict(zip(names[1:], ratios, strict=False)),
        **compare(X, y, test, (result.coef[0], result.intercept[0]), peer, C, "logistic"),
    }
    print(f"one fit, C={C:g}: {row}", flush=True)
    return row


def compare(
    X: np.ndarray,
    y: np.ndarray,
    test: np.ndarray,
    mine: tuple[Any, Any],
    peer: tuple[Any, Any],
    C: float,
    loss: str,
) -> dict[str, float]:
    theirs = objective(X, y, peer, C, loss)
    return {
        "objective_gap": objective(X, y, mine, C, loss) / theirs - 1,
        "agreement": float((labels(test, mine) == labels(test, peer)).mean()),
    }


def path(
    X: np.ndarray, y: np.ndarray, test: np.ndarray, loss: str, args: argparse.Namespace
) -> dict[str, Any]:
    """The whole grid; ours before and after the peer's fits, the median counts."""
    peer = peer_logistic if loss == "logistic" else peer_svm
    grid = GRID[(len(GRID) - 1) % args.points :: args.points]
    grid = grid[grid <= args.largest_c]
    seconds, result = timed(lambda: ours(X, y, grid, loss))
    mine, points = [seconds], []
    print(f"{loss} path of {len(grid)}: featx {seconds:.2f} s", flush=True)
    for i, C in enumerate(grid):
        seconds, fit = timed(lambda C=C: peer(X, y, C, args.peer_tol))
        point = compare(X, y, test, (result.coef[i], result.intercept[i]), fit, C, loss)
        points.append({"C": float(C), "peer_seconds": seconds, **point})
        print(f"  {points[-1]}", flush=True)
    mine += [timed(lambda: ours(X, y, grid, loss))[0] for _ in range(args.repeats - 1)]
    total, median = sum(point["peer_seconds"] for point in points), float(np.median(mine))
    print(f"{loss} path: featx {median:.2f} s, peer {total:.1f} s, ratio {total / median:.1f}")
    return {"featx_seconds": median, "ratio": total / median, "points": points}


def save(out: Path | None, results: dict[str, Any]) -> None:
    if out:
        out.write_text(json.dumps(results, indent=2))


if __name__ == "__main__":
    main()
