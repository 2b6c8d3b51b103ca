"""Every head leaves in every format, at the sizes that real training sets have."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import numpy as np
import pytest

import featx
from export_shared import SPEC, needs
from featx.classifiers.heads.registry import HEADS, make_head
from featx.classifiers.models.export import FORMATS
from featx.classifiers.models.export.agreement import TOLERANCE
from featx.classifiers.models.export.head_graph import probabilities_of
from featx.extractor.engines.keras_import import import_keras, silenced

HEIGHT, WIDTH = 20, 21
N_FEATURES = HEIGHT * WIDTH * 3
METADATA = json.dumps({"labels": ["a", "b"], "featx": "1"})


def pixels(n_samples: int, n_classes: int) -> np.ndarray:
    """Noisy images around one image for each class, flat."""
    rng = np.random.default_rng(0)
    centres = rng.normal(120, 3, (n_classes, N_FEATURES))
    noise = rng.normal(0, 40, (n_samples, N_FEATURES))
    return (centres[np.arange(n_samples) % n_classes] + noise).clip(0, 255).astype(np.uint8)


def check(
    name: str, to: str, n_classes: int, n_samples: int, path: Path, select: int | None = None
) -> None:
    """Fit a head on pixels, write its graph, run the file, and compare."""
    needs(to)
    keras = import_keras()
    images = pixels(n_samples + 24, n_classes)
    X = (images[:n_samples] / 255).astype(np.float32)
    options = {"dense": {"epochs": 2}, "projection": {"width": 256}}
    head = make_head(name, select=select, **options.get(name, {})).fit(
        X, np.arange(n_samples) % n_classes
    )
    model = featx.Model(SPEC, tuple(map(str, range(n_classes))), name, head)
    image = keras.Input((HEIGHT, WIDTH, 3), dtype="uint8")
    features = keras.layers.Flatten()(keras.layers.Rescaling(1 / 255)(image))
    graph = keras.Model(image, probabilities_of(features, model))
    queries = np.concatenate([images[:8], images[n_samples:]])
    expected = model.predict_proba((queries / 255).astype(np.float32))
    assert np.ptp(expected.max(axis=1)) > 0.01, "probabilities that would not show a difference"
    with silenced(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # TensorFlow announces where its Lite interpreter moves to
        FORMATS[to].write(graph, path, METADATA)
        result = FORMATS[to].run(path, queries.reshape(-1, HEIGHT, WIDTH, 3))
    np.testing.assert_allclose(result, expected, atol=TOLERANCE)
    assert FORMATS[to].is_own(path)


@pytest.mark.parametrize("to", FORMATS)
@pytest.mark.parametrize("name", ["svm", "knn"])
def test_heads_that_keep_training_rows_leave_in_every_format(
    name: str, to: str, tmp_path: Path
) -> None:
    check(name, to, 4, 1500, tmp_path / f"m{FORMATS[to].ending}")


@pytest.mark.parametrize("to", ["onnx", "tflite"])
@pytest.mark.parametrize("name", ["logreg", "centroid", "dense", "projection"])
def test_small_heads_leave_in_the_formats_with_fewest_operations(
    name: str, to: str, tmp_path: Path
) -> None:
    check(name, to, 2, 600, tmp_path / f"m{FORMATS[to].ending}")


@pytest.mark.parametrize("to", FORMATS)
def test_selected_columns_leave_in_every_format(to: str, tmp_path: Path) -> None:
    check("logreg", to, 2, 300, tmp_path / f"m{FORMATS[to].ending}", select=60)


@pytest.mark.long
@pytest.mark.parametrize("n_classes", [2, 10])
@pytest.mark.parametrize("to", FORMATS)
@pytest.mark.parametrize("name", HEADS)
def test_every_head_leaves_in_every_format(
    name: str, to: str, n_classes: int, tmp_path: Path
) -> None:
    check(name, to, n_classes, 6000, tmp_path / f"m{FORMATS[to].ending}")


def test_openvino_gives_one_output_of_a_network_with_swish(tmp_path: Path) -> None:
    # TensorFlow keeps each swish's input for its gradient; the converter makes outputs of them.
    openvino = pytest.importorskip("openvino")
    keras = pytest.importorskip("keras")
    model = keras.Sequential(
        [
            keras.Input((8, 8, 3), dtype="uint8"),
            keras.layers.Rescaling(1 / 255),
            keras.layers.Conv2D(4, 3, activation="swish"),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(3, activation="swish"),
            keras.layers.Dense(2, activation="softmax"),
        ]
    )
    file = tmp_path / "model.xml"
    FORMATS["openvino"].write(model, file, json.dumps({"labels": ["a", "b"]}))
    graph = openvino.Core().read_model(str(file))
    assert len(graph.outputs) == 1
    images = np.random.default_rng(0).integers(0, 256, (3, 8, 8, 3), np.uint8)
    expected = np.asarray(model.predict_on_batch(images))
    np.testing.assert_allclose(FORMATS["openvino"].run(file, images), expected, atol=1e-5)
