"""Views: what is asked for, and the specs and plans that it means."""

from __future__ import annotations

import pytest

from featx.cache.errors import ConfigError
from featx.extractor.feature_plans import FeaturePlans
from featx.extractor.plan import FeatureOptions, make_plan, merge_plans
from featx.extractor.views.views import ITSELF, Views

PLAIN = FeatureOptions(backbone="mobilenet", weights="random:0", image_size=32, precision="float32")


def test_views_of_a_spec_stand_behind_the_images_themselves() -> None:
    spec = make_plan(PLAIN).spec
    itself, *others = Views(3, " flip,crop", 5).specs_of(spec)
    assert itself == spec
    assert [(one.view, one.view_ops, one.views_seed) for one in others] == [
        (1, "crop,flip", 5),
        (2, "crop,flip", 5),
    ]
    assert ITSELF.specs_of(spec) == (spec,)


def test_plans_of_joined_features_give_the_columns_view_by_view() -> None:
    inner = FeatureOptions(**{**vars(PLAIN), "layer": "conv_pw_1_relu"})
    other = FeatureOptions(**{**vars(PLAIN), "image_size": 48})
    plans = [make_plan(one) for one in (PLAIN, other, inner)]
    specs = tuple(plan.spec for plan in plans)
    both = FeaturePlans(tuple(merge_plans(plans)), specs).with_views(Views(2))
    assert both.specs[:3] == specs
    assert [spec.original for spec in both.specs[3:]] == list(specs)
    assert [len(plan.specs) for plan in both.plans] == [2, 1, 2, 1]
    assert [plan.spec.view for plan in both.plans] == [0, 0, 1, 1]


def test_images_alone_leave_no_trace_in_a_record() -> None:
    assert ITSELF.to_dict() == {} and ITSELF.describe() == ""
    assert Views(2, "flip", 1).to_dict() == {"n": 2, "ops": "flip", "seed": 1}
    assert Views(2, "flip", 1).describe() == "2 views (flip; seed 1)"


def test_what_cannot_be_drawn_is_refused() -> None:
    with pytest.raises(ConfigError, match="counts from 1"):
        Views(0)
    with pytest.raises(ConfigError, match="unknown operation 'blur'"):
        Views(2, "blur")
