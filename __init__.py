"""featx: frozen backbones over your images once, light heads on top in seconds.

Importing this package loads neither Keras nor scikit-learn: its names are fetched on first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .cache import FeatureSet, FeatureSpec, FeatureStore, Manifest, Scores
    from .cache.errors import FeatxError
    from .classifiers import (
        HeadOptions,
        Model,
        fit_model,
        load_model,
        save_model,
        score_images,
        sweep_model,
    )
    from .extractor import FeatureOptions, RunOptions, extract_features

_HOMES = {
    "FeatureOptions": "extractor",
    "FeatureSet": "cache",
    "FeatureSpec": "cache",
    "FeatureStore": "cache",
    "FeatxError": "cache.errors",
    "HeadOptions": "classifiers",
    "Manifest": "cache",
    "Model": "classifiers",
    "RunOptions": "extractor",
    "Scores": "cache",
    "extract_features": "extractor",
    "fit_model": "classifiers",
    "load_model": "classifiers",
    "save_model": "classifiers",
    "score_images": "classifiers",
    "sweep_model": "classifiers",
}

__all__ = [
    "FeatureOptions",
    "FeatureSet",
    "FeatureSpec",
    "FeatureStore",
    "FeatxError",
    "HeadOptions",
    "Manifest",
    "Model",
    "RunOptions",
    "Scores",
    "extract_features",
    "fit_model",
    "load_model",
    "save_model",
    "score_images",
    "sweep_model",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'featx' has no attribute {name!r}")
    return getattr(import_module(f".{_HOMES[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
