"""Results that are kept by hand, with their predictions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from cache_shared import digests_of, fill

from featx.cache import FeatureStore, JudgedRows, Predictions, Result, ResultStore, Scores
from featx.cache.format.strings import StringColumn
from featx.classifiers.selection.metrics import measure


def rows_of(y: np.ndarray, class_names: tuple[str, ...] = ("cat", "dog")) -> JudgedRows:
    """Return rows of made-up images of these classes."""
    ids = StringColumn.from_strings(f"{i}.png" for i in range(len(y)))
    return JudgedRows(ids, digests_of(range(len(y))), y, class_names)


def keep(
    store: FeatureStore,
    name: str,
    predictions: Mapping[str, tuple[JudgedRows, np.ndarray]],
    **fields: Any,
) -> Result:
    """Keep a result of a head by its rows and probabilities of each split."""
    if not store.list_features():
        fill(store)
    kept, scores = {}, {}
    for split, (rows, P) in predictions.items():
        kept[split] = Predictions(rows, P.astype(np.float32))
        measures = measure(rows.y, kept[split].probabilities, rows.class_names)
        scores[split] = Scores(name, split, {}, len(rows), **vars(measures), fit_seconds=1.5)
    plain: dict[str, Any] = {
        "id": f"{name}-0123abcd",
        "name": name,
        "kind": "fit",
        "features": store.list_features()[0].name,
        "backbone": "tiny",
        "layer": "top",
        "head": name,
        "params": {},
        "scores": scores,
        "n_parameters": 1234,
        "model_bytes": 5000,
    }
    return ResultStore(store.layout).put(Result(**{**plain, **fields}), kept)
