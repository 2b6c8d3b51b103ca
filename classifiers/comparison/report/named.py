"""From the words of a command line to results and model files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ....cache import FeatureStore, Result, ResultStore
from ....cache.errors import ConfigError
from ....cache.suggest import did_you_mean
from ...models.model_file import is_model_file


def find_named(words: Sequence[str], cache: str | Path) -> list[Result | Path]:
    """Return the result or the model file that each word names.

    Parameters
    ----------
    words : sequence of str
        Ids of results, their beginnings, or paths of model files.
    cache : path

    Raises
    ------
    ConfigError
        A word names nothing, or several results.
    """
    if not words:
        return []
    results = ResultStore(FeatureStore(cache).layout).read()
    return [_find(word, results) for word in words]


def _find(word: str, results: Sequence[Result]) -> Result | Path:
    path = Path(word)
    if path.is_file() and is_model_file(path):
        return path
    matches = [r for r in results if r.id == word] or [r for r in results if r.id.startswith(word)]
    if len({r.id for r in matches}) == 1:
        return matches[0]
    if matches:
        ids = ", ".join(r.id for r in matches[:5])
        raise ConfigError(f"{word!r} is the beginning of several results: {ids}. Type more of it")
    raise ConfigError(
        f"no result and no model file is called {word!r}. "
        f"{did_you_mean(word, [r.id for r in results])} `featx results` lists all"
    )
