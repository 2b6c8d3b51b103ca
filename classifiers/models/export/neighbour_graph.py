"""k nearest neighbours as a Keras graph: one matrix product and a top-k."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from .graph_layers import Arrays, dense, lookup, row_sum, standardised, unit_rows

# Shares of zero become a logit, which must be finite.
LEAST_SHARE = 1e-30


def nearest_neighbours(features: Any, arrays: Arrays, params: Mapping[str, Any]) -> Any:
    """Logits of k-NN: the logarithm of each class's share of the neighbours' votes."""
    from keras import ops

    samples = arrays["samples"].astype(np.float64)
    scaled = standardised(features, arrays)
    if params["metric"] == "cosine":
        scaled = unit_rows(scaled)
    # |x - s|^2 up to the row's own |x|^2: it changes no order.
    closeness = dense(scaled, 2 * samples.T, -np.square(samples).sum(axis=1))
    _, nearest = ops.top_k(closeness, k=int(params["n_neighbors"]))
    class_votes = np.eye(len(arrays["classes"]))[arrays["labels"]] * arrays["votes"][:, None]
    votes = lookup(nearest, class_votes)
    if params["weights"] == "distance":
        votes = votes * _weights(scaled, lookup(nearest, samples))
    counts = ops.sum(votes, axis=1)
    return ops.log(ops.maximum(counts / row_sum(counts), LEAST_SHARE))


def _weights(scaled: Any, neighbours: Any) -> Any:
    """Inverse distances, ``(n, k, 1)``; where some are zero, these count 1 and the others 0."""
    from keras import ops

    difference = neighbours - ops.expand_dims(scaled, axis=1)
    squared = row_sum(ops.square(difference))
    is_equal = ops.cast(ops.equal(squared, 0.0), "float32")
    has_equal = ops.max(is_equal, axis=1, keepdims=True)
    inverse = 1.0 / ops.sqrt(squared + is_equal)
    return has_equal * is_equal + (1.0 - has_equal) * inverse
