"""The extractor: images through frozen backbones into the cache."""

from .api import extract_features
from .extract import ExtractReport
from .options import RunOptions
from .plan import FeatureOptions
from .sources import open_source

__all__ = ["ExtractReport", "FeatureOptions", "RunOptions", "extract_features", "open_source"]
