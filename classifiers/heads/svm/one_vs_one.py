"""A kernel machine of one-against-one classifiers, and its decisions by blocked matrix products."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..bf16_matmul import LEFT_ROWS, FastProduct, is_worth_compiling
from ..neighbours.distances import CACHED_BYTES, squared_distances, squared_norms
from ..row_blocks import Floats, Ints, block_rows, row_slices


@dataclass(frozen=True)
class Machine:
    """Support vectors and coefficients in libsvm's order (Chang & Lin 2011, "LIBSVM").

    Attributes
    ----------
    vectors : ndarray, shape (n_support, n_features)
        Grouped by class.
    counts : ndarray of int64, shape (n_classes,)
        Support vectors of each class.
    dual : ndarray, shape (n_classes - 1, n_support)
        Row ``j - 1`` (``j`` for an opponent ``j`` below the vector's own class) holds the
        coefficients against class ``j``.
    intercept : ndarray, shape (n_pairs,)
        Of the pairs (0, 1), (0, 2), ... (1, 2), ...
    gamma : float
    """

    vectors: Floats
    counts: Ints
    dual: Floats
    intercept: Floats
    gamma: float

    def astype(self, dtype: np.dtype[np.floating]) -> Machine:
        """Return the machine in another float format."""
        return Machine(
            self.vectors.astype(dtype, copy=False),
            self.counts,
            self.dual.astype(dtype, copy=False),
            self.intercept.astype(dtype, copy=False),
            self.gamma,
        )

    @cached_property
    def norms(self) -> Floats:
        """The squared length of each support vector."""
        return squared_norms(self.vectors)

    def kernel(self, X: Floats, product: FastProduct | None = None) -> Floats:
        """Return the kernel of each row with each support vector, ``(n, n_support)``."""
        kernel = squared_distances(X, self.vectors, self.norms, product=product)
        for rows in row_slices(len(X), block_rows(kernel.shape[1], 4, CACHED_BYTES)):
            kernel[rows] *= -self.gamma
            np.exp(kernel[rows], out=kernel[rows])
        return kernel

    def pair_decisions(self, kernel: Floats) -> Floats:
        """Return each pair's decision, ``(n, n_pairs)``; above zero speaks for the first class."""
        stops = np.cumsum(self.counts)
        parts = [
            kernel[:, stop - count : stop] @ self.dual[:, stop - count : stop].T
            for stop, count in zip(stops.tolist(), self.counts.tolist(), strict=True)
        ]
        result = np.empty((len(kernel), len(self.intercept)), kernel.dtype)
        for column, (i, j) in enumerate(pairs(len(self.counts))):
            result[:, column] = parts[i][:, j - 1] + parts[j][:, i] + self.intercept[column]
        return result

    def logits(self, kernel: Floats) -> Floats:
        """Return what probabilities are the softmax of, up to a temperature.

        ``(n, 1)`` for two classes: the decision. For more, ``(n, n_classes)``: coupled pairs whose
        best class is that of ``decide``.
        """
        n_classes = len(self.counts)
        decisions = self.pair_decisions(kernel)
        return -decisions if n_classes == 2 else couple_pairs(decisions, n_classes)

    def decide(self, kernel: Floats) -> Floats:
        """Return decision values: ``(n, 1)`` for two classes (above zero speaks for the second).

        For more, ``(n, n_classes)``: each class's votes plus a share below 1/3 of its summed
        confidence, as scikit-learn's ``decision_function_shape="ovr"`` defines it.
        """
        n_classes = len(self.counts)
        decisions = self.pair_decisions(kernel)
        return -decisions if n_classes == 2 else votes_of_pairs(decisions, n_classes)


def logits_together(machines: Sequence[Machine], X: Floats, roughly: bool = False) -> list[Floats]:
    """Return the logits of machines that share their vectors and gamma; kernels are computed once.

    Parameters
    ----------
    machines : sequence of Machine
    X : ndarray, shape (n, n_features)
    roughly : bool
        Multiply in bfloat16 where that is faster: good enough to fit a temperature to.
    """
    first = machines[0]
    is_fast = roughly and is_worth_compiling(len(X), first.vectors)
    product = FastProduct(first.vectors, is_split=False) if is_fast else None
    parts: list[list[Floats]] = [[] for _ in machines]
    step = LEFT_ROWS if is_fast else block_rows(max(first.vectors.shape), X.dtype.itemsize)
    for rows in row_slices(len(X), step):
        kernel = first.kernel(X[rows], product)
        for part, machine in zip(parts, machines, strict=True):
            part.append(machine.logits(kernel))
    return [np.concatenate(part) for part in parts]


def union(machines: Sequence[Machine], rows: Sequence[Ints]) -> list[Machine]:
    """Return the machines with all their vectors in one array: what is another's counts 0.

    Parameters
    ----------
    machines : sequence of Machine
        Of one gamma.
    rows : sequence of ndarray of int64
        Which training sample each vector is, in an order that all share, grouped by class.
    """
    kept = np.unique(np.concatenate(rows))
    n_classes, vectors = len(machines[0].counts), machines[0].vectors
    common = np.empty((len(kept), vectors.shape[1]), vectors.dtype)
    labels = np.empty(len(kept), np.int64)
    duals = []
    for machine, own in zip(machines, rows, strict=True):
        places = np.searchsorted(kept, own)
        common[places] = machine.vectors
        labels[places] = np.repeat(np.arange(n_classes), machine.counts)
        duals.append(np.zeros((n_classes - 1, len(kept)), vectors.dtype))
        duals[-1][:, places] = machine.dual
    counts = np.bincount(labels, minlength=n_classes)
    return [
        Machine(common, counts, dual, machine.intercept, machine.gamma)
        for dual, machine in zip(duals, machines, strict=True)
    ]


def pairs(n_classes: int) -> Iterator[tuple[int, int]]:
    """Iterate over the pairs of classes in libsvm's order."""
    for i in range(n_classes):
        for j in range(i + 1, n_classes):
            yield i, j


def couple_pairs(decisions: Floats, n_classes: int) -> Floats:
    """Return the log of the product of each class's pairwise probabilities, ``(n, n_classes)``.

    A pair's probability is the sigmoid of twice its decision (after Platt 1999), and a class's is
    proportional to the product of its pairs' (after Hastie & Tibshirani 1998, "Classification by
    pairwise coupling"). Votes alone would tell most samples' runner-up from their winner by the
    same one vote, however sure the pair is. Where the product prefers another class than the
    votes, the two exchange their places: probabilities and decisions name one class.
    """
    doubled = 2 * decisions
    tail = np.log1p(np.exp(-np.abs(doubled)))
    first = np.minimum(doubled, 0) - tail
    logits = np.zeros((len(decisions), n_classes), decisions.dtype)
    for column, (i, j) in enumerate(pairs(n_classes)):
        logits[:, i] += first[:, column]
        logits[:, j] += first[:, column] - doubled[:, column]
    rows = np.arange(len(decisions))
    voted, best = votes_of_pairs(decisions, n_classes).argmax(axis=1), logits.argmax(axis=1)
    most = logits[rows, best]
    logits[rows, best] = logits[rows, voted]
    logits[rows, voted] = most
    return logits


def votes_of_pairs(decisions: Floats, n_classes: int) -> Floats:
    """Return votes plus squashed confidences, ``(n, n_classes)``, from pair decisions."""
    votes = np.zeros((len(decisions), n_classes), decisions.dtype)
    confidence = np.zeros_like(votes)
    for column, (i, j) in enumerate(pairs(n_classes)):
        decision = decisions[:, column]
        confidence[:, i] += decision
        confidence[:, j] -= decision
        second = decision < 0
        votes[:, j] += second
        votes[:, i] += ~second
    votes += confidence / (3 * (np.abs(confidence) + 1))
    return votes
