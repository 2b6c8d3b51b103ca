"""Features in two dimensions, and in the few dimensions in which distances are quick to compute."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .....cache import FeatureMatrix
from .....extractor.machine.hardware import n_usable_cores

BLOCK_ROWS = 4096
N_COMPONENTS = 50
N_ITER = 300
"""After the early exaggeration; with 500 as many points have neighbours of their class."""
MAX_TSNE = 5_000
"""Points whose t-SNE takes some seconds; of more it is made on request."""


def principal_components(
    X: FeatureMatrix, rows: NDArray[np.int64], n_components: int = N_COMPONENTS
) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Return rows of ``X`` along their principal components, and the share of variance of each.

    The covariance is summed over blocks, so that memory holds one block and one square matrix.

    Returns
    -------
    ndarray of float32, shape (n_rows, n_components)
        Fewer components where there are fewer features.
    ndarray of float64, shape (n_components,)
    """
    width = X.shape[1]
    total, gram = np.zeros(width), np.zeros((width, width))
    for start in range(0, len(rows), BLOCK_ROWS):
        block = np.asarray(X[rows[start : start + BLOCK_ROWS]], np.float32)
        total += block.sum(axis=0, dtype=np.float64)
        gram += block.T @ block
    mean = total / len(rows)
    covariance = gram / len(rows) - np.outer(mean, mean)
    values, vectors = np.linalg.eigh(covariance)
    values, vectors = values[::-1][:n_components].clip(0), vectors[:, ::-1][:, :n_components]
    # A component's sign is chosen so that its largest entry is positive: the map stays as it is.
    signs = np.sign(vectors[np.abs(vectors).argmax(axis=0), np.arange(vectors.shape[1])])
    basis = np.asarray(vectors * np.where(signs == 0, 1, signs), np.float32)
    projected = np.empty((len(rows), basis.shape[1]), np.float32)
    for start in range(0, len(rows), BLOCK_ROWS):
        block = np.asarray(X[rows[start : start + BLOCK_ROWS]], np.float32)
        projected[start : start + len(block)] = (block - mean.astype(np.float32)) @ basis
    return projected, values / max(float(np.trace(covariance)), 1e-12)


def has_tsne() -> bool:
    """Return whether openTSNE is installed."""
    return find_spec("openTSNE") is not None


def tsne(components: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return a t-SNE of principal components, ``(n, 2)`` (openTSNE; van der Maaten 2008).

    It starts from the first two components, so that it comes out the same way again.
    """
    import openTSNE

    # Threads wait for each other on few points: one core takes half the seconds of two.
    n_jobs = 1 if len(components) <= MAX_TSNE else n_usable_cores()
    start = components[:, :2] / max(float(components[:, 0].std()), 1e-12) * 1e-4
    if start.shape[1] < 2:
        start = np.column_stack([start, np.zeros(len(start), np.float32)])
    perplexity = min(30.0, max(2.0, (len(components) - 1) / 3))
    estimator: Any = openTSNE.TSNE(
        perplexity=perplexity, initialization=start, n_jobs=n_jobs, n_iter=N_ITER, random_state=0
    )
    return np.asarray(estimator.fit(components), np.float32)
