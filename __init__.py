"""featx: frozen backbones over your images once, light heads on top in seconds.

What the commands do, as functions: ``extract``, ``open_features``, ``fit``, ``sweep``, ``score``,
``load_model``; and ``FeatureExtractor``, a transformer for scikit-learn's pipelines. Importing this
package loads neither Keras nor scikit-learn: its names are fetched on first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .cache import FeatureSet, FeatureSpec, FeatureStore, Manifest, Scores, Tag
    from .cache.errors import FeatxError
    from .classifiers import (
        HeadOptions,
        Model,
        PredictionOptions,
        ScoreOptions,
        load_model,
        open_features,
        save_model,
    )
    from .classifiers import export_model as export
    from .classifiers import fit_model as fit
    from .classifiers import save_model as save
    from .classifiers import score_images as score
    from .classifiers import sweep_model as sweep
    from .classifiers.models.pack import pack_model, unpack_network
    from .classifiers.selection.sweep_options import SweepOptions
    from .classifiers.transformer import FeatureExtractor
    from .extractor import FeatureOptions, RunOptions, SourceOptions, Views, open_source
    from .extractor import extract_features as extract

_HOMES = {
    "FeatureExtractor": "classifiers.transformer:FeatureExtractor",
    "FeatureOptions": "extractor:FeatureOptions",
    "FeatureSet": "cache:FeatureSet",
    "FeatureSpec": "cache:FeatureSpec",
    "FeatureStore": "cache:FeatureStore",
    "FeatxError": "cache.errors:FeatxError",
    "HeadOptions": "classifiers:HeadOptions",
    "Manifest": "cache:Manifest",
    "Model": "classifiers:Model",
    "PredictionOptions": "classifiers:PredictionOptions",
    "RunOptions": "extractor:RunOptions",
    "ScoreOptions": "classifiers:ScoreOptions",
    "Scores": "cache:Scores",
    "SourceOptions": "extractor:SourceOptions",
    "SweepOptions": "classifiers.selection.sweep_options:SweepOptions",
    "Tag": "cache:Tag",
    "Views": "extractor:Views",
    "export": "classifiers:export_model",
    "extract": "extractor:extract_features",
    "fit": "classifiers:fit_model",
    "load_model": "classifiers:load_model",
    "open_features": "classifiers:open_features",
    "open_source": "extractor:open_source",
    "save": "classifiers:save_model",
    "save_model": "classifiers:save_model",
    "pack_model": "classifiers.models.pack:pack_model",
    "score": "classifiers:score_images",
    "sweep": "classifiers:sweep_model",
    "unpack_network": "classifiers.models.pack:unpack_network",
}

__all__ = [
    "FeatureExtractor",
    "FeatureOptions",
    "FeatureSet",
    "FeatureSpec",
    "FeatureStore",
    "FeatxError",
    "HeadOptions",
    "Manifest",
    "Model",
    "PredictionOptions",
    "RunOptions",
    "ScoreOptions",
    "Scores",
    "SourceOptions",
    "SweepOptions",
    "Tag",
    "Views",
    "export",
    "extract",
    "fit",
    "load_model",
    "open_features",
    "open_source",
    "pack_model",
    "save",
    "save_model",
    "score",
    "sweep",
    "unpack_network",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'featx' has no attribute {name!r}")
    module, _, attribute = _HOMES[name].partition(":")
    return getattr(import_module(f".{module}", __name__), attribute)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
