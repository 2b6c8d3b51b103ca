"""Backbones: their table, their weights, and how they are built."""

from .build import build_backbone, find_layer
from .preprocess import PREPROCESS, Preprocess
from .table import BACKBONES, DEFAULT_BACKBONE, BackboneRecord, find_backbone
from .weights import IMAGENET, Weights, find_weights, keras_path, weights_present

__all__ = [
    "BACKBONES",
    "DEFAULT_BACKBONE",
    "IMAGENET",
    "PREPROCESS",
    "BackboneRecord",
    "Preprocess",
    "Weights",
    "build_backbone",
    "find_backbone",
    "find_layer",
    "find_weights",
    "keras_path",
    "weights_present",
]
