"""The baseline head: pixels in, probabilities out, stored as plain arrays."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from featx.cache.errors import ConfigError, ModelFileError, TrainingDataError
from featx.classifiers.baselines.head import BaselineHead
from featx.classifiers.heads.registry import find_head, load_head, make_head

SIDE = 12


def pixels(n_classes: int, *, grey: bool, n: int = 60) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    y = rng.integers(0, n_classes, n)
    images = rng.normal(60 + 100 * y[:, None], 30, (n, SIDE * SIDE * 3)).clip(0, 255).round()
    if grey:
        images = np.repeat(images.reshape(n, -1, 3)[:, :, :1], 3, axis=2).reshape(n, -1)
    return images.astype(np.float16), np.array(["a", "b", "c"])[y]


@pytest.fixture(scope="module", params=[(2, True), (3, False)], ids=["two-grey", "three-colour"])
def fitted(request: pytest.FixtureRequest) -> tuple[BaselineHead, np.ndarray, np.ndarray]:
    n_classes, grey = request.param
    X, y = pixels(n_classes, grey=grey)
    return BaselineHead("cnn1", epochs=6, batch_size=16, random_state=1).fit(X, y), X, y


def test_grey_images_give_one_channel_and_the_head_learns(
    fitted: tuple[BaselineHead, np.ndarray, np.ndarray],
) -> None:
    head, X, y = fitted
    assert head.image_shape_.tolist() == [SIDE, SIDE, 1 if len(head.classes_) == 2 else 3]
    proba = head.predict_proba(X)
    assert proba.sum(axis=1) == pytest.approx(np.ones(len(X)), abs=1e-6)
    assert (head.predict(X) == y).mean() > 0.7
    assert len(head.history_["loss"]) == 6


def test_bytes_and_floats_train_the_same_network() -> None:
    X, y = pixels(2, grey=True)
    one, other = (BaselineHead("fc", epochs=1).fit(data, y) for data in (X, X.astype(np.uint8)))
    assert (one.predict_proba(X) == other.predict_proba(X)).all()


def test_stored_head_gives_the_same_bits(
    fitted: tuple[BaselineHead, np.ndarray, np.ndarray],
) -> None:
    head, X, _ = fitted
    stored = load_head("baseline", head.get_json_params(), head.get_arrays())
    assert (stored.predict_proba(X) == head.predict_proba(X)).all()
    assert (pickle.loads(pickle.dumps(head)).predict_proba(X) == head.predict_proba(X)).all()
    assert stored.n_features_in_ == SIDE * SIDE * 3


def test_exported_graph_gives_the_same_probabilities(
    fitted: tuple[BaselineHead, np.ndarray, np.ndarray],
) -> None:
    import keras

    head, X, _ = fitted
    rows = keras.Input((X.shape[1],))
    logits = find_head("baseline").load_graph()(rows, head.get_arrays(), head.get_json_params())
    graph = keras.Model(rows, keras.layers.Softmax()(logits))
    found = graph.predict_on_batch(X.astype(np.float32))
    assert np.asarray(found) == pytest.approx(head.predict_proba(X), abs=1e-6)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"image_shape": np.array([SIDE, SIDE, 2])}, "image shape"),
        ({"image_shape": np.array([1 << 20, 1, 3])}, "image shape"),
        ({"image_shape": np.array([2, 2, 3])}, "cannot be built"),
        ({"conv_0_kernel": np.zeros((3, 3, 3, 31), np.float32)}, "conv_0_kernel"),
        ({"conv_0_bias": np.full(32, np.nan, np.float32)}, "NaN"),
    ],
)
def test_hostile_arrays_are_refused(change: dict[str, np.ndarray], message: str) -> None:
    X, y = pixels(3, grey=False)
    head = BaselineHead("cnn1", epochs=1).fit(X, y)
    with pytest.raises(ModelFileError, match=message):
        BaselineHead.from_arrays(head.get_json_params(), {**head.get_arrays(), **change})


def test_what_is_no_square_image_is_refused() -> None:
    X, y = pixels(2, grey=True)
    with pytest.raises(TrainingDataError, match="--backbone pixels"):
        BaselineHead("fc", epochs=1).fit(X[:, :-3], y)
    with pytest.raises(ConfigError, match="size 94"):
        BaselineHead("cnn5", epochs=1).fit(X, y)
    with pytest.raises(ConfigError, match="network"):
        make_head("baseline", network="cnn9").fit(X, y)


def test_class_weights_reach_the_loss() -> None:
    X, y = pixels(2, grey=True)
    heavy = BaselineHead("fc", epochs=8, class_weight={"a": 100.0, "b": 0.01}).fit(X, y)
    assert (heavy.predict(X) == "a").all()
