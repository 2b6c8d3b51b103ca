"""The extractor: images through frozen backbones into the cache."""

from .api import extract_features, extract_several
from .options import RunOptions
from .plan import FeatureOptions
from .report import ExtractReport
from .sources import open_source

__all__ = [
    "ExtractReport",
    "FeatureOptions",
    "RunOptions",
    "extract_features",
    "extract_several",
    "open_source",
]
