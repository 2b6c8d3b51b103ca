"""The nearest images are those of a full comparison."""

from __future__ import annotations

import json

import numpy as np
import pytest

from featx.cache import FeatureStore
from featx.cache.exchange.import_ import import_features
from featx.classifiers.similar import find_similar


def test_the_nearest_rows_are_those_of_all_cosines(tmp_path):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((9000, 16)).astype(np.float32)
    X[5], X[8999] = 0, 2 * X[7]
    ids = np.array([f"i{n}" for n in range(len(X))])
    np.savez(tmp_path / "x.npz", X=X, sample_ids=ids, y=np.arange(9000) % 3)
    store = FeatureStore(tmp_path / "cache")
    import_features(store, tmp_path / "x.npz")
    found = find_similar(store.open_features(), "i7", top=10)
    lengths = np.linalg.norm(X, axis=1)
    cosines = X @ X[7] / np.maximum(lengths, 1e-9) / lengths[7]
    cosines[7] = -2
    order = np.argsort(-cosines, kind="stable")[:10]
    assert [n.sample_id for n in found] == [f"i{row}" for row in order]
    assert found[0].sample_id == "i8999" and found[0].label == str(8999 % 3)
    np.testing.assert_allclose([n.similarity for n in found], cosines[order], atol=1e-5)


@pytest.mark.parametrize("backbone", ["pixels", "efficientnet_lite0"])
def test_a_picture_finds_itself(cli, photos, backbone):
    assert cli("extract", photos, "--backbone", backbone).exit_code == 0
    image = sorted(photos.rglob("*.png"))[3]
    found = json.loads(cli("similar", image, "--top", "5", "--json").stdout)
    assert found[0]["sample_id"] == image.relative_to(photos).as_posix() and len(found) == 5
    assert found[0]["similarity"] == pytest.approx(1, abs=1e-5)
    by_id = json.loads(cli("similar", found[0]["sample_id"], "--top", "4", "--json").stdout)
    assert [n["sample_id"] for n in by_id] == [n["sample_id"] for n in found[1:]]
    assert "cosine" in cli("similar", image).stdout


def test_what_is_no_image_and_no_id_is_told(cli, photos):
    assert cli("extract", photos, "--backbone", "pixels").exit_code == 0
    result = cli("similar", "nothing.png")
    assert result.exit_code == 1 and "neither an image file nor an id" in result.stderr
