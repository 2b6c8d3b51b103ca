"""The spec of several sets side by side."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from cache_shared import make_spec

from featx.cache import JoinedSpec, joined, spec_from_json
from featx.cache.errors import CacheFormatError, ConfigError

A, B = make_spec("resnet50"), make_spec("mobilenet", storage="float16", precision="bfloat16")


def test_a_joined_spec_survives_its_json() -> None:
    both = JoinedSpec((A, B))
    assert spec_from_json(both.to_json()) == both and spec_from_json(A.to_json()) == A
    assert both.fingerprint == spec_from_json(both.to_json()).fingerprint
    assert both.fingerprint != JoinedSpec((B, A)).fingerprint
    assert joined([A]) is A and joined([A, B]) == both


def test_it_answers_as_one_spec_does() -> None:
    both = JoinedSpec((A, B))
    assert (both.backbone, both.layer) == ("resnet50+mobilenet", "top+top")
    assert both.storage == "float32" and JoinedSpec((B, replace(B, layer="x"))).storage == "float16"
    assert both.precision == "float32+bfloat16"
    assert both.digits == f"{A.fingerprint[:12]}+{B.fingerprint[:12]}"
    assert A.single is A
    with pytest.raises(ConfigError, match="of one set, and these are of 2 side by side: resnet50"):
        _ = both.single


def test_differences_name_the_field_and_both_sides() -> None:
    both, other = JoinedSpec((A, B)), JoinedSpec((A, replace(B, layer="inner")))
    assert both.difference(both) == {}
    assert both.difference(other) == {"layer": (("top", "top"), ("top", "inner"))}
    (texts,) = both.difference(A).values()
    assert texts == ("; ".join([A.describe(), B.describe()]), A.describe())
    assert list(A.difference(both)) == ["features"]


def test_sets_are_joined_once_and_not_too_many() -> None:
    with pytest.raises(ConfigError, match="named twice: a set is joined with others"):
        JoinedSpec((A, B, A))
    many = tuple(replace(A, layer=str(number)) for number in range(13))
    with pytest.raises(ConfigError, match="expected 2 to 12 sets of features to join, got 13"):
        JoinedSpec(many)


@pytest.mark.parametrize("parts", [[], 3, [1, 2], [{"backbone": "x"}] * 2, None])
def test_what_is_no_joined_spec_is_refused(parts: object) -> None:
    with pytest.raises(CacheFormatError):
        spec_from_json(json.dumps({"joined": parts}))
