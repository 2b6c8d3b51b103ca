"""The classifiers: heads on cached features, sweeps, model files and scoring."""

from .api import (
    ScoreOptions,
    export_model,
    fit_model,
    open_features,
    score_images,
    sweep_model,
)
from .bundle import load_model, save_model
from .fit import FitReport, HeadOptions
from .model import Model
from .predictions import PredictionOptions
from .score import ScoreReport
from .sweep import SweepReport

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
    "open_features",
    "save_model",
    "score_images",
    "sweep_model",
]
