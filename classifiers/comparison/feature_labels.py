"""Short names of sets of features: what tells them apart."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...cache import FeatureSpec

FINGERPRINT_DIGITS = 8


def feature_labels(specs: Mapping[str, FeatureSpec]) -> dict[str, str]:
    """Return a label for each set of features, by its name ``source@fingerprint``.

    It holds the backbone, and of source, layer, size, precision and all else what differs.

    Parameters
    ----------
    specs : mapping of str to FeatureSpec
    """
    facts = {name: _facts(name, spec) for name, spec in specs.items()}
    first = next(iter(facts.values()), {})
    differing = [key for key in first if len({one[key] for one in facts.values()}) > 1]
    shown = [key for key in first if key in differing or key == "backbone"]
    labels = {name: " ".join(one[key] for key in shown) for name, one in facts.items()}
    if len(set(labels.values())) == len(labels):
        return labels
    prints = {name: spec.fingerprint[:FINGERPRINT_DIGITS] for name, spec in specs.items()}
    return {name: f"{label} {prints[name]}" for name, label in labels.items()}


def _facts(name: str, spec: Any) -> dict[str, str]:
    height, width = spec.image_size
    return {
        "source": name.rpartition("@")[0],
        "backbone": spec.backbone,
        "layer": spec.layer,
        "pool": spec.pool,
        "size": f"{width}×{height}",
        "precision": spec.precision,
        "resize": spec.resize,
        "views": f"{spec.views} view{'s' * (spec.views > 1)}",
        "preprocess": spec.preprocess,
    }
