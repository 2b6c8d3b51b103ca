"""The extractor: images through frozen backbones into the cache.

Importing this package loads nothing of it: its names are fetched on first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .api import extract_features, extract_several, options_of_preset
    from .extract_report import ExtractReport
    from .plan import FeatureOptions
    from .run_options import RunOptions
    from .sources import SourceOptions, open_source
    from .views.views import Views

_HOMES = {
    "ExtractReport": "extract_report",
    "FeatureOptions": "plan",
    "RunOptions": "run_options",
    "SourceOptions": "sources",
    "Views": "views.views",
    "extract_features": "api",
    "extract_several": "api",
    "options_of_preset": "api",
    "open_source": "sources",
}

__all__ = [
    "ExtractReport",
    "FeatureOptions",
    "RunOptions",
    "SourceOptions",
    "Views",
    "extract_features",
    "extract_several",
    "open_source",
    "options_of_preset",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOMES[name]}", __name__), name)
