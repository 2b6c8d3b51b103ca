"""Backbones: their table, their weights, and how they are built."""

from .build import build_backbone
from .choose import choose_backbone, choose_size, packed_backbone, recall_backbone
from .layers import find_layer
from .preprocessing import PREPROCESS, Preprocess, find_preprocess
from .record import BackboneRecord
from .registry import BACKBONES, DEFAULT_BACKBONE, find_backbone
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
    "choose_backbone",
    "choose_size",
    "find_backbone",
    "find_layer",
    "find_preprocess",
    "find_weights",
    "keras_path",
    "packed_backbone",
    "recall_backbone",
    "weights_present",
]
