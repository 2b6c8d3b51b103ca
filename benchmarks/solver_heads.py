"""The parts of `solver.py` that run whole heads: the RBF SVM, and a sweep as a user types it."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.svm import SVC

from featx.classifiers.heads.svm.rbf_svm import RBFSVMHead

RBF_ROWS = 20_000
RBF_PREDICT_ROWS = 2_000
RBF_C = 10.0
FEATX = (sys.executable, "-c", "from featx.cli import main; main()")


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """Return the seconds that ``work`` takes, and what it returns."""
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result


def rbf(train: np.ndarray, y: np.ndarray, test: np.ndarray, repeats: int) -> dict[str, Any]:
    """Fit and predict with the RBF SVM; scikit-learn's SVC once, ours the median of repeats.

    Ours also calibrates its probabilities on held-out samples; SVC here has none.
    """
    X, y, test = train[:RBF_ROWS], y[:RBF_ROWS], test[:RBF_PREDICT_ROWS]
    ours, predicts = [], []
    for _ in range(repeats):
        seconds, head = timed(lambda: RBFSVMHead(RBF_C, standardize=False).fit(X, y))
        ours.append(seconds)
        seconds, mine = timed(lambda head=head: head.predict(test))
        predicts.append(seconds)
    fit, peer = timed(lambda: SVC(C=RBF_C, cache_size=1000).fit(X, y))
    predict, theirs = timed(lambda: peer.predict(test))
    row = {
        "rows": len(X),
        "C": RBF_C,
        "seconds": {"featx": float(np.median(ours)), "sklearn": fit},
        "predict_seconds": {"featx": float(np.median(predicts)), "sklearn": predict},
        "fit_ratio": fit / float(np.median(ours)),
        "predict_ratio": predict / float(np.median(predicts)),
        "agreement": float((mine == theirs).mean()),
        "support_vectors": {
            "featx": int(head.n_support_.sum()),
            "sklearn": len(peer.support_),
        },
    }
    print(f"RBF SVM: {row}", flush=True)
    return row


def sweep(
    raw: tuple[np.ndarray, np.ndarray], train: np.ndarray, peers: list[float]
) -> dict[str, Any]:
    """Run ``featx sweep`` with its default grid over a cache, and one logistic regression.

    Parameters
    ----------
    raw : tuple (X, y)
        Features as extraction leaves them: training rows, then test rows.
    train : ndarray
        The training rows standardised, for the peer.
    peers : list of float
        Values of ``C``; each is one fit of scikit-learn's on all training rows.
    """
    n_train = len(train)
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        splits = np.where(np.arange(len(raw[0])) < n_train, "train", "test")
        np.savez(work / "features.npz", X=raw[0], y=raw[1], splits=splits)
        cache = ["--cache", str(work / "cache")]
        featx("cache", "import", str(work / "features.npz"), *cache)
        (work / "features.npz").unlink()
        out = ["--out", str(work / "model.featx"), "--json"]
        seconds, text = timed(lambda: featx("sweep", *cache, *out))
    report = json.loads(text)
    row: dict[str, Any] = {"rows": n_train, "featx_seconds": seconds, "heads": by_head(report)}
    row["n_candidates"] = sum(head["n"] for head in row["heads"].values())
    print(f"sweep: {row}", flush=True)
    row["peers"] = []
    for C in peers:
        model = LogisticRegression(C=C, max_iter=20_000)
        peer, _ = timed(lambda model=model: model.fit(train, raw[1][:n_train]))
        row["peers"].append({"C": C, "seconds": peer, "sweep_over_peer": seconds / peer})
        print(f"  one fit of scikit-learn: {row['peers'][-1]}", flush=True)
    return row


def featx(*arguments: str) -> str:
    """Run a command of featx and return what it prints."""
    run = subprocess.run([*FEATX, *arguments], capture_output=True, text=True, check=False)
    if run.returncode:
        raise SystemExit(f"featx {' '.join(arguments)}: {run.stderr}")
    return run.stdout


def by_head(report: dict[str, Any]) -> dict[str, dict[str, float]]:
    """Count each head's configurations, and add up what fitting them took."""
    heads: dict[str, dict[str, float]] = {}
    for candidate in report["leaderboard"]:
        scores = candidate["measured"]["scores"]
        own = heads.setdefault(scores["head"], {"n": 0, "fit_seconds": 0.0, "best_accuracy": 0.0})
        own["n"] += 1
        own["fit_seconds"] += scores["fit_seconds"]
        own["best_accuracy"] = max(own["best_accuracy"], scores["metrics"]["accuracy"])
    return heads
