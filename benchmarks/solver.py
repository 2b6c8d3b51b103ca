"""Our linear solver against scikit-learn and its Intel extension, in one run.

    python benchmarks/solver.py --features X.npy --labels y.npy --rows 60000 --out solver.json

Features are standardised on the training rows; the last 10,000 rows are for testing. Without
``--features`` it makes nonnegative, correlated features of its own. Peers run at their standard
tolerance with as many iterations as they need. ``--points 4`` thins the path to every fourth C,
for ours and for the peer.
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.svm import LinearSVC

from featx.classifiers.solver import solve_path

GRID = np.logspace(-5, 0, 12)
TEST_ROWS = 10_000


def main() -> None:
    args = parse()
    warnings.simplefilter("ignore", ConvergenceWarning)
    train, test, y, _y_test = load(args)
    results: dict[str, Any] = {"rows": len(train), "features": train.shape[1]}
    if "single" in args.parts:
        results["single"] = [single(train, y, test, C, args) for C in (1e-3, 1e-2)]
        save(args.out, results)
    if "path" in args.parts:
        results["path"] = path(train, y, test, "logistic", args)
        save(args.out, results)
    if "svm" in args.parts:
        results["svm"] = path(train, y, test, "squared_hinge", args)
        save(args.out, results)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--features", type=Path)
    parser.add_argument("--labels", type=Path)
    parser.add_argument("--rows", type=int, default=60_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--points", type=int, default=1)
    parser.add_argument("--parts", nargs="+", default=["single", "path", "svm"])
    parser.add_argument("--quick", action="store_true", help="4,000 rows, every fourth C")
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    if args.quick:
        args.rows, args.points, args.repeats = min(args.rows, 4000), 4, 1
    return args


def load(args: argparse.Namespace) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    if args.features:
        X, y = np.load(args.features, mmap_mode="r"), np.load(args.labels)
    else:
        X, y = synthetic(args.rows + TEST_ROWS, 1280, 10)
    train = np.asarray(X[: args.rows], dtype=np.float32)
    test = np.asarray(X[-TEST_ROWS:], dtype=np.float32)
    mean, scale = train.mean(axis=0), train.std(axis=0)
    scale[scale == 0] = 1
    y = np.asarray(y, dtype=np.int64)
    return (train - mean) / scale, (test - mean) / scale, y[: args.rows], y[-TEST_ROWS:]


def synthetic(n: int, d: int, k: int) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(0)
    y = generator.integers(0, k, n)
    hidden = generator.standard_normal((k, 64))[y] + 1.5 * generator.standard_normal((n, 64))
    mix = generator.standard_normal((64, d)) / 8
    noise = 0.3 * generator.standard_normal((n, d))
    return np.clip(hidden @ mix + noise, 0, 6).astype(np.float32), y


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result


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


def peer_logistic(X: np.ndarray, y: np.ndarray, C: float) -> tuple[Any, Any]:
    model = LogisticRegression(C=C, tol=1e-4, max_iter=20_000).fit(X, y)
    return model.coef_, model.intercept_


def peer_svm(X: np.ndarray, y: np.ndarray, C: float) -> tuple[Any, Any]:
    # A large intercept_scaling comes near to an intercept without penalty, but slows the solver
    # down; 1 is scikit-learn's default and its fastest.
    model = LinearSVC(C=C, dual=False, tol=1e-4, max_iter=20_000).fit(X, y)
    return model.coef_, model.intercept_


def peer_intel(X: np.ndarray, y: np.ndarray, C: float) -> tuple[Any, Any] | None:
    try:
        from sklearnex.linear_model import LogisticRegression as IntelRegression
    except ImportError:
        return None
    model = IntelRegression(C=C, tol=1e-4, max_iter=20_000).fit(X, y)
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
        sklearn, peer = timed(lambda: peer_logistic(X, y, C))
        intel, other = timed(lambda: peer_intel(X, y, C))
        rounds.append((mine, sklearn, intel if other is not None else np.nan))
    seconds = np.array(rounds)
    ratios = seconds[:, 1:] / seconds[:, :1]
    row = {
        "C": C,
        "seconds": dict(zip(("featx", "sklearn", "sklearnex"), np.median(seconds, 0), strict=True)),
        "ratio_sklearn": float(np.median(ratios[:, 0])),
        "ratio_sklearnex": float(np.median(ratios[:, 1])),
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
    seconds, result = timed(lambda: ours(X, y, grid, loss))
    mine, points = [seconds], []
    print(f"{loss} path of {len(grid)}: featx {seconds:.2f} s", flush=True)
    for i, C in enumerate(grid):
        seconds, fit = timed(lambda C=C: peer(X, y, C))
        point = compare(X, y, test, (result.coef[i], result.intercept[i]), fit, C, loss)
        points.append({"C": C, "peer_seconds": seconds, **point})
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
