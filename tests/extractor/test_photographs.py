"""The embedded weights see what a person sees, through `featx extract --layer`."""

import json

import numpy as np
import pytest
import skimage.data
from PIL import Image
from sklearn.datasets import load_sample_image

from featx.cache import FeatureStore
from tests_shared import Cli

EXACT = ("--precision", "float32", "--json")
EXPRESSO, CATS, DAISY = 967, {281, 282, 285}, 985


@pytest.fixture
def photographs(tmp_path):
    root = tmp_path / "photographs"
    root.mkdir()
    Image.fromarray(skimage.data.coffee()).save(root / "1-coffee.png")
    Image.fromarray(skimage.data.chelsea()).save(root / "2-chelsea.png")
    Image.fromarray(load_sample_image("flower.jpg")).save(root / "3-flower.jpg", quality=95)
    return root


def probabilities(cli: Cli, root, *more):
    run = cli("extract", root, "--layer", "predictions", "--resize", "crop", *EXACT, *more)
    assert run.exit_code == 0, run.output
    name = json.loads(run.stdout)["features"]
    return FeatureStore("featx-cache").open_features(name).X[:]


def test_photographs_get_their_classes(cli: Cli, photographs):
    found = probabilities(cli, photographs)
    assert found.shape == (3, 1000)
    np.testing.assert_allclose(found.sum(1), 1, atol=1e-5)
    coffee, chelsea, flower = found.argmax(1)
    assert coffee == EXPRESSO and found[0, EXPRESSO] > 0.9
    assert chelsea in CATS and flower == DAISY


def test_logits_and_probabilities_agree(cli: Cli, photographs):
    keras = ("--engine", "keras")
    logits = cli("extract", photographs, "--layer", "logits", "--resize", "crop", *EXACT, *keras)
    name = json.loads(logits.stdout)["features"]
    values = FeatureStore("featx-cache").open_features(name).X[:].astype(np.float64)
    expected = np.exp(values) / np.exp(values).sum(1, keepdims=True)
    np.testing.assert_allclose(probabilities(cli, photographs, *keras), expected, atol=1e-5)
