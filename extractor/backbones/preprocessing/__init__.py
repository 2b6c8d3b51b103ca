"""How backbones want their pixels: normalisation, and the geometry that publishers state."""

from .normalisation import PREPROCESS, Preprocess, find_preprocess
from .published import PublishedInput
from .read import read_preprocessing

__all__ = [
    "PREPROCESS",
    "Preprocess",
    "PublishedInput",
    "find_preprocess",
    "read_preprocessing",
]
