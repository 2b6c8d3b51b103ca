"""From the words of a command line to results and model files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ....cache import FeatureStore, Result
from ...selection.metrics import AUTO, DEFAULT_METRIC, find_metric
from ..source_results import SourceResults


def find_named(
    words: Sequence[str], cache: str | Path, metric: str = "accuracy", split: str = "test"
) -> list[Result | Path]:
    """Return the result that each word names, or the path where it is a model file.

    Parameters
    ----------
    words : sequence of str
        Ids of results, their beginnings, names of heads, or paths of model files.
    cache : path
    metric, split : str
        Decide which of several results of a head is meant.

    Raises
    ------
    ConfigError
        A word names nothing, or several results.
    """
    source = SourceResults(FeatureStore(cache))
    record = find_metric(DEFAULT_METRIC if metric == AUTO else metric)
    return [
        Path(word) if Path(word).is_file() else source.find(word, split, record) for word in words
    ]
