"""What the tests of exports share."""

from __future__ import annotations

from importlib.util import find_spec

import pytest

import featx
from featx.classifiers.models.export import FORMATS

SPEC = featx.FeatureSpec(
    backbone="b",
    weights_digest="0" * 64,
    layer="l",
    pool="avg",
    image_size=(8, 8),
    resize="squash",
    preprocess="tf",
)


def needs(to: str) -> None:
    """Skip a test whose format's libraries are not installed."""
    missing = [module for module in FORMATS[to].modules if find_spec(module) is None]
    if missing:
        pytest.skip(f"needs {missing}")
