"""Fine-tuned layers that this machine keeps, found again by the features made with them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from featx.cache import FeatureStore
from featx.cache.errors import ConfigError, WeightsMismatchError
from featx.cache.joined.joined_spec import joined
from featx.extractor.backbones.tuned import TailWeights, find_kept
from featx.extractor.plan import FeatureOptions, make_plan


def tail(value: float) -> TailWeights:
    return TailWeights("block6d_add", "0" * 64, {"top_conv/0": np.full((2, 3), value, np.float32)})


def test_features_of_a_tuned_backbone_find_its_layers_and_others_none(tmp_path: Path) -> None:
    spec = make_plan(FeatureOptions(image_size=32, precision="float32")).spec
    first, second = tail(1), tail(2)
    of_first = replace(spec, weights_digest=first.digest)
    assert TailWeights.recall(of_first) is None, "this machine has not run it yet"
    first.kept()
    second.kept()
    assert TailWeights.recall(spec) is None and find_kept(spec) is None
    for one in (of_first, joined([spec, of_first])):
        found = TailWeights.recall(one)
        assert found is not None and found.digest == first.digest
    with pytest.raises(ConfigError, match="several fine-tuned backbones"):
        find_kept(joined([of_first, replace(spec, weights_digest=second.digest)]))
    store = FeatureStore(tmp_path)
    third = tail(3)
    store.keep_layers(third.kept())
    third.kept().unlink()
    of_third = replace(spec, weights_digest=third.digest)
    assert TailWeights.recall(of_third) is None
    found = TailWeights.recall(of_third, store.layout)
    assert found is not None and found.digest == third.digest
    (store.layout.tuned / f"{third.digest}.npz").write_bytes(first.kept().read_bytes())
    with pytest.raises(WeightsMismatchError, match="other layers than its name says"):
        TailWeights.recall(of_third, store.layout)
    first.kept().write_bytes(b"PK")
    with pytest.raises(WeightsMismatchError, match="damaged"):
        TailWeights.recall(of_first)
