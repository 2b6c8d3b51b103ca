"""Rows of several sets side by side."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
from cache_shared import batch_of, digests_of, fill, make_spec, manifest_of, rows_of, shards_in

from featx.cache import FeatureSet, FeatureStore
from featx.cache.errors import ConfigError, FeaturesNotFoundError

WIDE, NARROW = make_spec("wide"), make_spec("narrow", storage="float16")


@pytest.fixture
def store(tmp_path: Path) -> FeatureStore:
    """Twenty images in one set, in another order and all but two of them in a narrow one."""
    store = FeatureStore(tmp_path)
    fill(store, spec=WIDE)
    for names in ([19, 3, 17], [n for n in range(16) if n != 3]):
        store.write_rows(NARROW, [batch_of(names, 2)])
    return store


def side_by_side(store: FeatureStore) -> FeatureSet:
    manifest = manifest_of("photos", range(20))
    sets = [FeatureSet(manifest, store.open_set(spec), store.layout) for spec in (WIDE, NARROW)]
    return sets[0] + sets[1]


def test_rows_match_by_digest_and_stay_where_they_are(store: FeatureStore) -> None:
    shards = shards_in(store.root)
    features = side_by_side(store)
    names = [*range(16), 17, 19]
    expected = np.hstack([rows_of(names), rows_of(names, 2)])
    assert features.X.shape == (18, 7) and features.X.widths == (5, 2)
    assert features.X.dtype == np.float32 and features.spec.parts == (WIDE, NARROW)
    np.testing.assert_array_equal(features.X[:], expected)
    np.testing.assert_array_equal(features.X[[17, 0, 5]], expected[[17, 0, 5]])
    np.testing.assert_array_equal(features.X[16], expected[16])
    np.testing.assert_array_equal(np.concatenate(list(features.X.blocks(4))), expected)
    np.testing.assert_array_equal(features.digests, digests_of(names))
    assert features.X[:0].shape == (0, 7)
    assert shards_in(store.root) == shards


def test_parts_of_joined_features_are_joined(store: FeatureStore) -> None:
    features = side_by_side(store)
    part = features[[3, 1]]
    np.testing.assert_array_equal(part.X[:], features.X[[3, 1]])
    assert part.spec == features.spec and features.relabelled().X.shape == (18, 7)
    np.testing.assert_array_equal(features.X.window(2, 5)[:], features.X[2:5])


def test_a_matrix_travels_as_an_address(store: FeatureStore) -> None:
    X = side_by_side(store).X
    again = pickle.loads(pickle.dumps(X))
    assert len(pickle.dumps(X)) < 3000
    np.testing.assert_array_equal(again[:], X[:])


def test_images_that_a_set_lacks_are_named(store: FeatureStore) -> None:
    features = side_by_side(store)
    assert features.n_missing == 2
    note = features.join_note()
    assert note.startswith("2 images are left out, which a set that is joined lacks: 2 by ")
    assert f"{NARROW.digits} (the first is image-16.png)" in note
    complete = FeatureSet(manifest_of("photos", range(3)), store.open_set(WIDE))
    assert complete.join_note() == ""
    nowhere = FeatureSet(manifest_of("photos", range(50, 53)), store.open_set(WIDE))
    assert nowhere.join_note() == ""


def test_sets_without_a_common_image_are_refused(store: FeatureStore) -> None:
    other = make_spec("other")
    store.write_rows(other, [batch_of(range(90, 95))])
    manifest = manifest_of("photos", range(20))
    wide, strange = (FeatureSet(manifest, store.open_set(spec)) for spec in (WIDE, other))
    with pytest.raises(FeaturesNotFoundError, match="share no image of photos"):
        _ = wide + strange
    with pytest.raises(ConfigError, match="named twice"):
        _ = wide + wide
    with pytest.raises(TypeError):
        _ = wide + 1  # type: ignore[operator]
