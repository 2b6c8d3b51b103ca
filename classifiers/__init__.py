"""The classifiers: heads on cached features, sweeps, model files and scoring."""

from .api import fit_model, score_images, sweep_model
from .bundle import load_model, save_model
from .fit import FitReport, HeadOptions
from .model import Model
from .score import ScoreReport
from .sweep import SweepReport

__all__ = [
    "FitReport",
    "HeadOptions",
    "Model",
    "ScoreReport",
    "SweepReport",
    "fit_model",
    "load_model",
    "save_model",
    "score_images",
    "sweep_model",
]
