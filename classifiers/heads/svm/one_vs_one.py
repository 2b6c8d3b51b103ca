"""A one-vs-one kernel model, and its decisions by blocked matrix products."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..matmul.bf16_matmul import LEFT_ROWS, Bf16Product, is_worth_compiling
from ..matmul.distances import CACHED_BYTES, squared_distances, squared_norms
from ..matmul.workers import Workers
from ..row_blocks import Floats, Ints, block_rows, row_slices

# Decisions of so many bytes are coupled at a time, in one thread.
PAIR_BYTES = 1 << 23


@dataclass(frozen=True)
class OneVsOneModel:
    """Support vectors and coefficients in libsvm's order (Chang & Lin 2011, "LIBSVM").

    Attributes
    ----------
    vectors : ndarray, shape (n_support, n_features)
        Grouped by class.
    counts : ndarray of int64, shape (n_classes,)
        Support vectors of each class.
    dual : ndarray, shape (n_classes - 1, n_support)
        Row ``j - 1`` holds the coefficients against class ``j``, or row ``j`` where ``j`` is
        below the vector's own class.
    intercept : ndarray, shape (n_pairs,)
        Of the pairs (0, 1), (0, 2), ... (1, 2), ...
    gamma : float
    """

    vectors: Floats
    counts: Ints
    dual: Floats
    intercept: Floats
    gamma: float

    def astype(self, dtype: np.dtype[np.floating]) -> OneVsOneModel:
        """Return the model in another float format."""
        return OneVsOneModel(
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

    def kernel(self, X: Floats, product: Bf16Product | None = None) -> Floats:
        """Return the kernel of each row with each support vector, ``(n, n_support)``."""
        kernel = squared_distances(X, self.vectors, self.norms, product=product)
        for rows in row_slices(len(X), block_rows(kernel.shape[1], 4, CACHED_BYTES)):
            kernel[rows] *= -self.gamma
            np.exp(kernel[rows], out=kernel[rows])
        return kernel

    def pair_decisions(self, kernel: Floats) -> Floats:
        """Return each pair's decision, ``(n, n_pairs)``; above zero for the first class."""
        n_classes, n_rows = len(self.counts), len(kernel)
        # The rows of one class or pair lie side by side, (..., n).
        parts = np.empty((n_classes, n_classes - 1, n_rows), kernel.dtype)
        for part, stop, count in zip(parts, np.cumsum(self.counts), self.counts, strict=True):
            vectors = slice(stop - count, stop)
            np.matmul(self.dual[:, vectors], kernel[:, vectors].T, out=part)
        result = np.empty((len(self.intercept), n_rows), kernel.dtype)
        for i, columns in enumerate(columns_of_pairs(n_classes)):
            np.add(parts[i, i:], parts[i + 1 :, i], out=result[columns])
        result += self.intercept[:, None]
        return result.T

    def logits(self, kernel: Floats) -> Floats:
        """Return the logits of the probabilities, before the temperature.

        ``(n, 1)`` for two classes: the decision. For more, ``(n, n_classes)``: coupled pairs, whose
        largest logit is that of the class that ``decide`` prefers.
        """
        n_classes = len(self.counts)
        if n_classes == 2:
            return -self.pair_decisions(kernel)

        def couple(rows: slice) -> Floats:
            return couple_pairs(self.pair_decisions(kernel[rows]), n_classes)

        blocks = list(row_slices(len(kernel), block_rows(len(self.intercept), 4, PAIR_BYTES)))
        if len(blocks) < 2:
            return couple(slice(None))
        with Workers() as workers:
            return np.concatenate(workers.map(couple, blocks))

    def decide(self, kernel: Floats) -> Floats:
        """Return decision values: ``(n, 1)`` for two classes (above zero for the second class).

        For more, ``(n, n_classes)``: each class's votes plus a share below 1/3 of its summed
        confidence, as scikit-learn's ``decision_function_shape="ovr"`` defines it.
        """
        n_classes = len(self.counts)
        decisions = self.pair_decisions(kernel)
        return -decisions if n_classes == 2 else votes_of_pairs(decisions, n_classes)


def shared_logits(
    models: Sequence[OneVsOneModel], X: Floats, in_bfloat16: bool = False
) -> list[Floats]:
    """Return the logits of models that share their vectors and gamma; kernels are computed once.

    Parameters
    ----------
    models : sequence of OneVsOneModel
    X : ndarray, shape (n, n_features)
    in_bfloat16 : bool
        Multiply in bfloat16 where that is faster; exact enough to fit a temperature.
    """
    first = models[0]
    is_fast = in_bfloat16 and is_worth_compiling(len(X), first.vectors)
    product = Bf16Product(first.vectors, is_split=False) if is_fast else None
    parts: list[list[Floats]] = [[] for _ in models]
    step = LEFT_ROWS if is_fast else block_rows(max(first.vectors.shape), X.dtype.itemsize)
    for rows in row_slices(len(X), step):
        kernel = first.kernel(X[rows], product)
        for part, model in zip(parts, models, strict=True):
            part.append(model.logits(kernel))
    return [np.concatenate(part) for part in parts]


def with_shared_vectors(
    models: Sequence[OneVsOneModel], rows: Sequence[Ints]
) -> list[OneVsOneModel]:
    """Return the models with all of their vectors in one array; another's vectors count 0.

    Parameters
    ----------
    models : sequence of OneVsOneModel
        Of one gamma.
    rows : sequence of ndarray of int64
        The training sample of each vector, numbered by class.
    """
    kept = np.unique(np.concatenate(rows))
    n_classes, vectors = len(models[0].counts), models[0].vectors
    shared = np.empty((len(kept), vectors.shape[1]), vectors.dtype)
    labels = np.empty(len(kept), np.int64)
    duals = []
    for model, model_rows in zip(models, rows, strict=True):
        columns = np.searchsorted(kept, model_rows)
        shared[columns] = model.vectors
        labels[columns] = np.repeat(np.arange(n_classes), model.counts)
        duals.append(np.zeros((n_classes - 1, len(kept)), vectors.dtype))
        duals[-1][:, columns] = model.dual
    counts = np.bincount(labels, minlength=n_classes)
    return [
        OneVsOneModel(shared, counts, dual, model.intercept, model.gamma)
        for dual, model in zip(duals, models, strict=True)
    ]


def pairs(n_classes: int) -> Iterator[tuple[int, int]]:
    """Iterate over the pairs of classes in libsvm's order."""
    for i in range(n_classes):
        for j in range(i + 1, n_classes):
            yield i, j


def columns_of_pairs(n_classes: int) -> Iterator[slice]:
    """Iterate over the columns of the pairs in which each class is the first; the last has none."""
    start = 0
    for n_pairs in range(n_classes - 1, 0, -1):
        yield slice(start, start + n_pairs)
        start += n_pairs


def couple_pairs(decisions: Floats, n_classes: int) -> Floats:
    """Return the log of the product of each class's pairwise probabilities, ``(n, n_classes)``.

    The probability in a pair is the sigmoid of twice its decision (after Platt 1999). The
    probability of a class is proportional to the product over its pairs (after Hastie & Tibshirani
    1998, "Classification by pairwise coupling"). Votes alone would give nearly all samples the same
    gap between the best and the second class. Where the product and the votes prefer different
    classes, the two logits are exchanged, so that probabilities and decisions name one class.
    """
    doubled = 2 * decisions
    tail = np.log1p(np.exp(-np.abs(doubled)))
    first = np.minimum(doubled, 0) - tail
    logits = np.zeros((len(decisions), n_classes), decisions.dtype, order="F")
    for i, columns in enumerate(columns_of_pairs(n_classes)):
        logits[:, i] += first[:, columns].sum(axis=1)
        logits[:, i + 1 :] += first[:, columns] - doubled[:, columns]
    rows = np.arange(len(decisions))
    voted, best = votes_of_pairs(decisions, n_classes).argmax(axis=1), logits.argmax(axis=1)
    largest = logits[rows, best]
    logits[rows, best] = logits[rows, voted]
    logits[rows, voted] = largest
    return logits


def votes_of_pairs(decisions: Floats, n_classes: int) -> Floats:
    """Return votes plus squashed confidences, ``(n, n_classes)``, from pair decisions."""
    votes = np.zeros((len(decisions), n_classes), decisions.dtype, order="F")
    confidence = np.zeros_like(votes)
    for i, columns in enumerate(columns_of_pairs(n_classes)):
        decision = decisions[:, columns]
        confidence[:, i] += decision.sum(axis=1)
        confidence[:, i + 1 :] -= decision
        second = decision < 0
        votes[:, i + 1 :] += second
        votes[:, i] += (~second).sum(axis=1)
    votes += confidence / (3 * (np.abs(confidence) + 1))
    return votes
