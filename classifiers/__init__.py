"""The classifiers: heads on cached features, sweeps, model files and scoring."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .api import export_model, fit_model, open_features, sweep_model
from .heads.registry import make_head
from .models.model import Model
from .models.model_file import load_model, save_model
from .scoring.api import ScoreOptions, score_images
from .scoring.predictions import PredictionOptions
from .scoring.score import ScoreReport
from .selection.fit import FitReport, HeadOptions
from .selection.sweep import SweepReport

if TYPE_CHECKING:
    from .heads.linear.solver import solve_path

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
    """Fetch the solver on first use: it loads SciPy, which scoring never needs."""
    if name == "solve_path":
        from .heads.linear.solver import solve_path

        return solve_path
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
