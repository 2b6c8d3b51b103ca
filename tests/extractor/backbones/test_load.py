"""Weights files into known backbones: with a top or without, and what EfficientNet hides."""

import keras
import numpy as np
import pytest

from featx.cache.errors import WeightsMismatchError
from featx.extractor.backbones import BACKBONES, build_backbone, find_weights
from featx.extractor.backbones.build import build_architecture, set_random_weights

SIZE = (32, 32)


def saved(tmp_path, name, include_top, ending=".h5"):
    """Write random weights of a whole backbone to a file; return the model and the path."""
    record = BACKBONES[name]
    sides = (record.image_size,) * 2 if include_top else SIZE
    model = build_architecture(record, include_top, sides)
    set_random_weights(model, 3)
    path = tmp_path / f"{name}{ending}"
    model.save_weights(path if ending == ".weights.h5" else path.with_suffix(".weights.h5"))
    if ending == ".h5":
        # The published files are in Keras 2's format, which Keras 3 writes for whole models only.
        model.save(path)
    return model, path


def loaded(name, path, include_top=False):
    record = BACKBONES[name]
    return build_backbone(record, find_weights(record, str(path), include_top), SIZE)


def features(model, x):
    return keras.ops.convert_to_numpy(model(x, training=False))


def probe(side=32):
    return np.random.default_rng(1).uniform(0, 255, (2, side, side, 3)).astype(np.float32)


@pytest.mark.filterwarnings("ignore:.*HDF5 file.*")
@pytest.mark.parametrize("with_top", [False, True])
@pytest.mark.parametrize(
    ("name", "ending"),
    [
        ("mobilenet_v3_small", ".h5"),
        ("mobilenet_v3_small", ".weights.h5"),
        pytest.param("convnext_tiny", ".h5", marks=pytest.mark.long),
    ],
)
def test_weights_file_serves_features_with_a_top_or_without(tmp_path, name, with_top, ending):
    whole, path = saved(tmp_path, name, with_top, ending)
    model = loaded(name, path)
    n_weights = len(model.weights)
    for found, expected in zip(model.get_weights(), whole.get_weights()[:n_weights], strict=True):
        assert np.array_equal(found, expected)


@pytest.mark.filterwarnings("ignore:.*HDF5 file.*")
def test_file_without_top_is_named_where_the_top_is_wanted(tmp_path):
    _, path = saved(tmp_path, "mobilenet", False)
    with pytest.raises(WeightsMismatchError, match=r"without its top.*pass the file with the top"):
        loaded("mobilenet", path, include_top=True)


@pytest.mark.filterwarnings("ignore:.*HDF5 file.*")
def test_file_of_another_backbone_does_not_fit(tmp_path):
    _, path = saved(tmp_path, "mobilenet", False)
    with pytest.raises(WeightsMismatchError, match=r"does not fit mobilenet_v2"):
        loaded("mobilenet_v2", path)


def test_file_that_is_no_weights_file_does_not_fit(tmp_path):
    path = tmp_path / "x.h5"
    path.write_bytes(b"not HDF5")
    with pytest.raises(WeightsMismatchError, match="does not fit"):
        loaded("mobilenet", path)


def test_efficientnet_divides_by_the_deviation_as_keras_does_for_its_own_download(
    tmp_path, monkeypatch
):
    record = BACKBONES["efficientnet_b0"]
    model = build_architecture(record, False, SIZE)
    set_random_weights(model, 5)
    layer = next(one for one in model.layers if isinstance(one, keras.layers.Normalization))
    # What the published files hold: the mean, and the deviation in the place of the variance.
    layer.set_weights(
        [np.float32([0.485, 0.456, 0.406]), np.float32([0.229, 0.224, 0.225]), np.int32(0)]
    )
    path = tmp_path / "published.weights.h5"
    model.save_weights(path)
    monkeypatch.setattr("keras.src.utils.file_utils.get_file", lambda *_, **__: str(path))
    theirs = keras.applications.EfficientNetB0(
        include_top=False, weights="imagenet", input_shape=(*SIZE, 3)
    )
    ours = build_backbone(record, find_weights(record, str(path), False), SIZE)
    x = probe()
    expected = features(theirs, x)
    np.testing.assert_allclose(features(ours, x), expected, atol=1e-5 * np.abs(expected).max())
    plain = build_architecture(record, False, SIZE)
    plain.load_weights(path)
    assert np.abs(features(plain, x) - expected).max() > 0.1 * np.abs(expected).max()
