"""The classifiers: heads on cached features, sweeps, model files and scoring.

Importing this package loads none of them: its names are fetched on first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .api import export_model, fit_model, open_features, sweep_model
    from .heads.linear.solver import solve_path
    from .heads.registry import make_head
    from .models.model import Model
    from .models.model_file import load_model, save_model
    from .scoring.api import ScoreOptions, score_images
    from .scoring.predictions import PredictionOptions
    from .scoring.score import ScoreReport
    from .selection.fit import FitReport, HeadOptions
    from .selection.sweep import SweepReport

_HOMES = {
    "FitReport": "selection.fit",
    "HeadOptions": "selection.fit",
    "Model": "models.model",
    "PredictionOptions": "scoring.predictions",
    "ScoreOptions": "scoring.api",
    "ScoreReport": "scoring.score",
    "SweepReport": "selection.sweep",
    "export_model": "api",
    "fit_model": "api",
    "load_model": "models.model_file",
    "make_head": "heads.registry",
    "open_features": "api",
    "save_model": "models.model_file",
    "score_images": "scoring.api",
    "solve_path": "heads.linear.solver",
    "sweep_model": "api",
}

__all__ = [
    "FitReport",
    "HeadOptions",
    "Model",
    "PredictionOptions",
    "ScoreOptions",
    "ScoreReport",
    "SweepReport",
    "export_model",
    "fit_model",
    "load_model",
    "make_head",
    "open_features",
    "save_model",
    "score_images",
    "solve_path",
    "sweep_model",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOMES[name]}", __name__), name)
