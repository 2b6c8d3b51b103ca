"""Which image sizes a plan takes, decided without Keras."""

import subprocess
import sys

import pytest

from featx.cache.errors import ConfigError
from featx.extractor.backbones import BACKBONES
from featx.extractor.plan import FeatureOptions, make_plan


def plan(name, **options):
    weights = "random:0" if BACKBONES[name].has_weights else "imagenet"
    return make_plan(FeatureOptions(backbone=name, weights=weights, **options))


@pytest.mark.parametrize("name", BACKBONES)
def test_every_backbone_takes_its_least_size_and_names_it_below(name):
    least = BACKBONES[name].min_size
    assert plan(name, image_size=least).spec.image_size == (least, least)
    with pytest.raises(ConfigError, match=f"{name} takes images of {least} pixels or more"):
        plan(name, image_size=least - 1)


@pytest.mark.parametrize("name", ["vgg16", "vgg19"])
def test_top_of_vgg_is_bound_to_its_size(name):
    assert plan(name, layer="fc1").weights.include_top
    assert plan(name, image_size=150).spec.image_size == (150, 150)
    with pytest.raises(ConfigError, match=r"'fc1' belongs to the top.*224 pixels only, got 150"):
        plan(name, layer="fc1", image_size=150)


def test_background_is_canonical_in_the_spec():
    assert plan("mobilenet", background="White").spec == plan("mobilenet").spec
    other = plan("mobilenet", background="black").spec
    assert other.background == "#000000"
    assert other.fingerprint != plan("mobilenet").spec.fingerprint


def test_plan_of_a_model_file_is_made_without_keras(tmp_path):
    import keras

    path = tmp_path / "mine.keras"
    x = keras.Input((40, 32, 3))
    keras.Model(x, keras.layers.Conv2D(2, 3)(x)).save(path)
    code = (
        "import sys\n"
        "from featx.extractor.plan import FeatureOptions, make_plan\n"
        f"plan = make_plan(FeatureOptions(backbone={str(path)!r}, preprocess='tf'))\n"
        "assert plan.spec.image_size == (40, 32), plan.spec\n"
        "assert 'keras' not in sys.modules and 'tensorflow' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_pixels_are_flat_and_have_no_weights():
    spec = plan("pixels", image_size=28).spec
    assert (spec.layer, spec.pool, spec.preprocess) == ("pixels", "flatten", "none")
    assert plan("pixels", pool="avg").spec.pool == "avg"
    with pytest.raises(ConfigError, match="no weights"):
        make_plan(FeatureOptions(backbone="pixels", weights="random:0"))
