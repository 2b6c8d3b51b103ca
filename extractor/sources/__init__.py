"""Sources of images, and the one door to them."""

from __future__ import annotations

from .arrays.sample import SAMPLE, open_sample, typed_location, write_sample
from .open import open_source
from .source import Raw, Source, digest_of
from .source_options import SourceOptions

__all__ = [
    "SAMPLE",
    "Raw",
    "Source",
    "SourceOptions",
    "digest_of",
    "open_sample",
    "open_source",
    "typed_location",
    "write_sample",
]
