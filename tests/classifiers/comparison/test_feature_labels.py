"""Short names of sets of features."""

from __future__ import annotations

from dataclasses import replace

from cache_shared import make_spec

from featx.cache import JoinedSpec
from featx.classifiers.comparison.feature_labels import feature_labels


def test_labels_hold_what_differs() -> None:
    spec = make_spec("resnet50")
    small = replace(spec, image_size=(96, 128))
    fast = replace(spec, precision="bfloat16")
    assert feature_labels({"photos@1": spec}) == {"photos@1": "resnet50"}
    labels = feature_labels({"photos@1": spec, "photos@2": small, "photos@3": fast})
    assert labels["photos@2"] == "resnet50 128×96 float32"
    assert labels["photos@3"].endswith("bfloat16") and len(set(labels.values())) == 3
    sources = feature_labels({"photos@1": spec, "shop@1": spec})
    assert list(sources.values()) == ["photos resnet50", "shop resnet50"]
    weights = feature_labels({"a@1": spec, "a@2": replace(spec, weights_digest="12" * 32)})
    assert len(set(weights.values())) == 2


def test_labels_of_joined_features_are_short() -> None:
    last = make_spec("resnet50")
    inner = [replace(last, layer=f"conv{n}", pool="grid:2") for n in range(3)]
    two, four = JoinedSpec((last, inner[0])), JoinedSpec((last, *inner))
    labels = feature_labels({"photos@1": last, "photos@1+2": two, "photos@1+2+3+4": four})
    assert list(labels.values()) == ["top avg", "top+conv0 avg+grid:2", "top+3 more avg+grid:2"]
    assert list(feature_labels({"photos@1+2": two}).values()) == ["resnet50"]
