"""Names of joined features."""

from __future__ import annotations

from pathlib import Path

import pytest
from cache_shared import fill, make_spec

from featx.cache import FeatureStore
from featx.cache.errors import FeaturesNotFoundError
from featx.cache.joined.names import part_names
from featx.cache.maintenance.gc import find_garbage


@pytest.fixture
def store(tmp_path: Path) -> FeatureStore:
    """Two sources under two backbones."""
    store = FeatureStore(tmp_path)
    for name, images in (("photos-00000001", range(20)), ("shop-00000002", range(50, 60))):
        for backbone in ("resnet50", "mobilenet"):
            fill(store, name, images, spec=make_spec(backbone))
    return store


def test_a_plus_joins_what_stands_on_its_sides(store: FeatureStore) -> None:
    features = store.open_features("photos@" + make_spec("resnet50").fingerprint + "+mobilenet")
    assert [part.backbone for part in features.spec.parts] == ["resnet50", "mobilenet"]
    assert features.manifest.name == "photos-00000001" and len(features) == 20
    again = store.open_features(features.name)
    assert again.name == features.name and again.spec == features.spec
    assert part_names(features.name) == [s.name for s in store.find_parts(features.name)]


def test_the_first_name_says_the_source(store: FeatureStore) -> None:
    resnet = make_spec("resnet50").digits
    assert store.open_features(f"shop@{resnet}+mobilenet").manifest.name == "shop-00000002"
    with pytest.raises(FeaturesNotFoundError, match="'resnet50' is ambiguous"):
        store.open_features("resnet50+mobilenet")


def test_layers_are_names(store: FeatureStore) -> None:
    inner = make_spec("resnet50", layer="conv4")
    fill(store, "photos-00000001", spec=inner)
    assert store.find("conv4").spec == inner and store.find("resnet50:conv4").spec == inner
    assert store.open_features("conv4+mobilenet").spec.parts[0] == inner


@pytest.mark.parametrize("name", ["photos+", "+photos", "photos++mobilenet"])
def test_an_empty_name_is_refused(store: FeatureStore, name: str) -> None:
    with pytest.raises(FeaturesNotFoundError, match=r"has an empty name beside a \+"):
        store.find_parts(name)


def test_a_whole_name_with_a_plus_goes_first(store: FeatureStore) -> None:
    spec = make_spec("resnet50")
    fill(store, "cats+dogs-00000003", range(70, 75), spec=spec)
    assert [s.source for s in store.find_parts("cats+dogs")] == ["cats+dogs"]


def test_what_takes_one_set_names_the_parts(store: FeatureStore) -> None:
    name = f"photos@{make_spec('resnet50').digits}+mobilenet"
    for only_one in (False, True):
        with pytest.raises(FeaturesNotFoundError, match="joins 2 sets of features, and this takes"):
            store.find(name, only_one)


def test_results_on_joined_features_stay_while_all_sets_are_there(store: FeatureStore) -> None:
    features = store.open_features(f"photos@{make_spec('resnet50').digits}+mobilenet")
    half = f"{features.name.rpartition('+')[0]}+{'0' * 12}"
    for name in (features.name, half):
        store.layout.results(name).mkdir(parents=True)
    assert [path.name for path in find_garbage(store).sweeps] == [half]
