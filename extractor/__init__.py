"""The extractor: images through frozen backbones into the cache."""

from .api import extract_features, extract_several
from .extract_report import ExtractReport
from .plan import FeatureOptions
from .run_options import RunOptions
from .sources import SourceOptions, open_source

__all__ = [
    "ExtractReport",
    "FeatureOptions",
    "RunOptions",
    "SourceOptions",
    "extract_features",
    "extract_several",
    "open_source",
]
