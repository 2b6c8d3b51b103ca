"""Saving a model, its labels, and how its split differs from that of the model it replaces."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ...cache import FeatureStore, ResultStore
from ...cache.errors import CacheError, CacheWriteError, ModelFileError
from ...cache.records.label_snapshot import keep_labels
from ...extractor.run_options import LogObserver, Observer
from ..models.model import Model
from ..models.model_file import load_model, save_model


def save_and_compare(
    model: Model,
    path: Path,
    store: FeatureStore,
    observer: Observer | None = None,
    *,
    overwrite: bool = False,
) -> str:
    """Save ``model``, and say where the model that it replaces was made with another split.

    The labels that it was made with are kept in the cache, for ``fit_like``. What is said is
    returned, too; it is empty where there is nothing to say.

    Raises
    ------
    ConfigError, CacheWriteError
        Nothing is written; see ``save_model``.
    """
    note = compare_splits(model, path)
    save_model(model, path, overwrite=overwrite)
    manifest = store.read_manifest(str(model.origin["features"]).partition("@")[0])
    try:
        if manifest is not None and manifest.data_digest == model.data_digest:
            keep_labels(store.layout, manifest)
        _keep_tag(model, store)
    except CacheWriteError as error:
        note = f"{note} The labels cannot be kept for `featx fit --like`: {error}".strip()
    if note:
        (observer or LogObserver()).say(note)
    return note


def _keep_tag(model: Model, store: FeatureStore) -> None:
    """Keep what the user calls a model with its result, for `featx results`."""
    tag = {key: str(model.origin[key]) for key in ("name", "note") if key in model.origin}
    results = ResultStore(store.layout)
    result = results.get(str(model.origin["features"]), str(model.origin.get("result", "")))
    if tag and result is not None:
        results.put(replace(result, tag=tag), {})


def compare_splits(model: Model, path: Path) -> str:
    """Say how the split of the model at ``path`` differs from that of ``model``, if it does."""
    try:
        old = load_model(path)
    except (CacheError, ModelFileError, OSError):
        return ""  # no file, or none that can be read
    if model.rows is None:
        return ""
    if old.rows is None:
        return (
            f"The split of the model that {path} held is not known: the file is of an earlier "
            "featx. Its scores may be those of other test images."
        )
    moved = old.rows.moved(model.rows)
    if not moved:
        return ""
    n_tested = moved.get(("test", "train"), 0)
    return (
        f"The model that {path} held was made with another split (seed "
        f"{old.split.get('seed', '?')}, now {model.split.get('seed', '?')}): "
        f"{sum(moved.values()):,} images changed sides, {n_tested:,} of its test images are "
        "trained on now. The scores of the two do not compare."
    )
