"""FeatureSpec: its fingerprint outlives new file formats and fields that come later."""

from __future__ import annotations

import dataclasses
import json
import shutil
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from cache_shared import fill, make_spec, rows_of
from hypothesis import given
from hypothesis import strategies as st

from featx.cache import FeatureSpec, FeatureStore
from featx.cache.errors import CacheFormatError, ConfigError, NewerFormatError
from featx.cache.format import version
from featx.cache.maintenance.verify import verify
from featx.cache.spec import LATER
from featx.classifiers.models.model_file import load_model

DATA = Path(__file__).parents[1] / "data"
CANONICAL = (
    '{"backbone":"tiny","background":"#ffffff","format_version":1,"image_size":[8,8],'
    '"interpolation":"bicubic","layer":"top","pool":"avg","precision":"float32",'
    '"preprocess":"none","resize":"squash","storage":"float32","views":1,"views_seed":0,'
    '"weights_digest":"' + "0" * 64 + '"}'
)
FINGERPRINT = "169eeed1fdabbbfd7de4b7c0ded3b2a6a476d26123e22326925be5b00b7225d9"


def test_the_canonical_json_is_that_of_the_first_release() -> None:
    assert make_spec().to_json() == CANONICAL
    assert make_spec().fingerprint == FINGERPRINT
    assert FeatureSpec.from_json(CANONICAL) == make_spec()


def test_a_field_at_its_default_does_not_stand_in_the_json() -> None:
    deep = make_spec(pixel_range="0:4095")
    assert json.loads(deep.to_json()) == {**json.loads(CANONICAL), "pixel_range": "0:4095"}
    assert deep.fingerprint != FINGERPRINT
    assert FeatureSpec.from_json(deep.to_json()) == deep
    assert dataclasses.replace(deep, pixel_range="full").fingerprint == FINGERPRINT
    assert make_spec().difference(deep) == {"pixel_range": ("full", "0:4095")}


def test_a_later_field_orphans_nothing() -> None:
    @dataclass(frozen=True, kw_only=True)
    class NextSpec(FeatureSpec):
        gamma: float = field(default=1.0, metadata=LATER)

    fields = dataclasses.asdict(make_spec())
    assert NextSpec(**fields).fingerprint == FINGERPRINT
    with pytest.raises(NewerFormatError, match=r"gamma.*upgrade featx"):
        FeatureSpec.from_json(NextSpec(**fields, gamma=2.2).to_json())


@pytest.mark.parametrize(
    ("text", "canonical", "limits"),
    [
        ("full", "full", None),
        ("0:4095", "0:4095", (0, 4095)),
        ("0.0:4095.00", "0:4095", (0, 4095)),
        (" -1 : 1e3 ", "-1:1000", (-1, 1000)),
        ("-0.0:0.50", "0:0.5", (0, 0.5)),
        ("1e-3:1e300", "0.001:1e+300", (0.001, 1e300)),
    ],
)
def test_a_pixel_range_has_one_spelling(
    text: str, canonical: str, limits: tuple[float, float] | None
) -> None:
    spec = make_spec(pixel_range=text)
    assert spec.pixel_range == canonical
    assert spec.pixel_limits == limits
    assert spec.fingerprint == make_spec(pixel_range=canonical).fingerprint


@given(st.floats(allow_nan=False, allow_infinity=False), st.floats(allow_nan=False))
def test_any_pixel_range_survives_its_json(low: float, high: float) -> None:
    if not low < high < float("inf"):
        return
    spec = make_spec(pixel_range=f"{low!r}:{high!r}")
    assert spec.pixel_limits == (low, high)
    assert FeatureSpec.from_json(spec.to_json()) == spec


@pytest.mark.parametrize(
    "text",
    ["", "auto", "4095", "0:", ":1", "1:1", "2:1", "0:nan", "nan:1", "0:inf", "-inf:0", "0:1:2"],
)
def test_what_is_no_pixel_range_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match=r"Expected full, or LOW:HIGH"):
        make_spec(pixel_range=text)


def test_a_newer_spec_says_upgrade() -> None:
    text = CANONICAL.replace('"format_version":1', '"format_version":2')
    with pytest.raises(NewerFormatError, match="upgrade featx"):
        FeatureSpec.from_json(text)


@pytest.mark.parametrize("text", ["", "[]", "{}", "3", '{"format_version":1}', CANONICAL[:-20]])
def test_what_is_no_spec_is_refused(text: str) -> None:
    with pytest.raises(CacheFormatError):
        FeatureSpec.from_json(text)


def test_a_new_file_format_orphans_no_feature_and_no_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(DATA / "cache-v1", tmp_path / "cache")
    store = FeatureStore(tmp_path / "cache")
    model = load_model(DATA / "model-v1.featx")
    monkeypatch.setattr(version, "FORMAT_VERSION", 2)
    assert make_spec().fingerprint == FINGERPRINT
    assert len(store.open_features("tiny")) == 5
    fill(store, names=range(20))
    features = store.open_features("tiny")
    assert (np.asarray(features.X) == rows_of(range(20))).all()
    assert len(features) == 20
    assert {p.name for p in (tmp_path / "cache" / "sets").iterdir()} >= {FINGERPRINT}
    assert verify(store).findings == []
    again = load_model(DATA / "model-v1.featx")
    assert again.spec.fingerprint == model.spec.fingerprint
    monkeypatch.undo()
    assert {finding.kind for finding in verify(store).findings} == {"newer"}
